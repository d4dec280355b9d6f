"""Where the code may ask on which operating system it runs: a subject is chosen in one place, by its adapter."""

import ast
from collections import Counter
from pathlib import Path

from tests.architecture.names import ROOT

CHOICES = {
    # What the core needs of a system, one module for each subject.
    "core/rae_auto/platforms/base_directories.py": 1,
    "core/rae_auto/platforms/file_operations.py": 1,
    "core/rae_auto/platforms/file_rights.py": 1,
    "core/rae_auto/platforms/process_copies.py": 1,
    "core/rae_auto/platforms/process_groups.py": 1,
    "core/rae_auto/platforms/process_measurements.py": 1,
    "core/rae_auto/platforms/process_presence.py": 1,
    "core/rae_auto/platforms/process_signals.py": 2,
    "core/rae_auto/platforms/shells.py": 1,
    "core/rae_auto/control/transports/choice.py": 1,
    "core/rae_auto/model/primitives/zone_sources/local_zone.py": 1,
    "core/rae_auto/runtime/time/synchronization.py": 1,
    "core/rae_auto/toolkit/commands/__init__.py": 1,
    "core/rae_auto/toolkit/programs.py": 1,
    "core/rae_auto/toolkit/threads/low_priority.py": 1,
    "core/rae_auto/toolkit/threads/malloc_arenas.py": 1,
    "core/rae_auto/toolkit/wake_alarm.py": 2,
    # Services: the choice of the manager, and what it has that others haven't.
    "core/rae_auto/service/installation.py": 1,
    "core/rae_auto/service/manager.py": 3,
    "core/rae_auto/service/systemd.py": 1,
    # Plugins: each its own choice, or the reason why it isn't available.
    "plugins/rae_plugins/loggers/platform_logs.py": 1,
    "plugins/rae_plugins/machine/commands/__init__.py": 1,
    "plugins/rae_plugins/machine/platform_sensors.py": 1,
    "plugins/rae_plugins/notifiers/desktop/notifier.py": 1,
    "plugins/rae_plugins/triggers/system/platform.py": 2,
    # Only shown.
    "core/rae_auto/offline/doctor/machine.py": 1,
}

PROCESS_EXECUTOR = "plugins/rae_plugins/executors/process/"
"""The adapters of processes, whose keeper is split by platform inside."""

QUESTIONS = {("sys", "platform"), ("os", "name"), ("platform", "system"), ("os", "uname")}


def count_questions(path: Path) -> int:
    """Return how often a module asks for the operating system."""
    tree = ast.parse(path.read_text())
    return sum(
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in QUESTIONS
        for node in ast.walk(tree)
    )


def test_platforms_are_chosen_by_adapters_alone():
    modules = [path for root in ("core", "plugins", "contrib") for path in (ROOT / root).rglob("*.py")]
    found = Counter(
        {str(path.relative_to(ROOT)): count_questions(path) for path in modules if "tests" not in path.parts}
    )
    elsewhere = {name: count for name, count in found.items() if count and not name.startswith(PROCESS_EXECUTOR)}
    hint = "ask an adapter of rae_auto.platforms, or make one; only a new adapter belongs in this list"
    assert elsewhere == CHOICES, hint
