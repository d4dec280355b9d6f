"""Inspection of a plugin for its author: each mistake that can be found without running it, by rule and place."""

from rae_auto.registry.inspection.finding import RULES, Mistake, Severity
from rae_auto.registry.inspection.inspector import Inspection, inspect_plugin
from rae_auto.registry.inspection.projects import find_projects_plugins, packaging_findings

__all__ = [
    "RULES",
    "Inspection",
    "Mistake",
    "Severity",
    "find_projects_plugins",
    "inspect_plugin",
    "packaging_findings",
]
