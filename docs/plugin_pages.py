"""Writes the pages of the contracts of plugins, from their docstrings, and the page of mistakes, from the rules."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

from rae_auto import api
from rae_auto.api.plugin import Plugin
from rae_auto.offline.authoring.template import render_project
from rae_auto.registry.inspection import RULES

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.support.planted_plugins import MISTAKES

PAGES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "schedule": ("trigger", ("ScheduleTrigger",), "triggers.ScheduleConformance"),
    "source": ("trigger:source", ("SourceTrigger", "TriggerContext", "EmitResult"), "sources.SourceConformance"),
    "pattern": ("trigger:pattern", ("PatternTrigger", "StepResult", "Firing", "Event"), "sources.SourceConformance"),
    "read-guard": ("guard", ("ReadGuard", "GuardResult", "Verdict"), "guards.GuardConformance"),
    "computed-guard": ("guard:computed", ("ComputedGuard", "GuardResult"), "guards.GuardConformance"),
    "executor": ("executor", ("Executor", "Execution", "Assignment", "JobContext"), "executors.ExecutorConformance"),
    "store": ("store", ("Store", "LogQuery", "RetentionRule", "Put", "Append"), "stores.StoreConformance"),
    "logger": ("logger", ("Logger", "LogLine"), "loggers.LoggerConformance"),
    "notifier": ("notifier", ("Notifier", "Notice"), "notifiers.NotifierConformance"),
    "command": ("command", ("Command", "CommandContext", "ControlClient"), "commands.CommandConformance"),
}
"""By page: what `plugins new` makes, the classes of the contract, and the suite."""


def contract_pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page about a kind of plugin."""
    for name, (made, classes, suite) in PAGES.items():
        yield f"{name}.md", _page(name, made, classes, suite)
    yield "plugin.md", _base_page()
    yield "mistakes.md", _mistakes_page()


def _page(name: str, made: str, classes: tuple[str, ...], suite: str) -> str:
    word, _, flavour = made.partition(":")
    answers = {"kind": word, "flavour": flavour or "default", "name": "example", "author": "You"}
    with TemporaryDirectory() as folder:
        project = render_project(Path(folder), {**answers, "description": f"An example of a {name.replace('-', ' ')}."})
        (module,) = project.glob("src/*/__init__.py")
        example = module.read_text(encoding="utf-8").rstrip()
    parts = [
        f"# Contract: {name.replace('-', ' ')}",
        f"`rae-auto plugins new {made} NAME` makes the example below as a project with tests.\n"
        f"The suite is `rae_auto.testing.{suite}`.\n"
        "What all plugins have is on [its own page](plugin.md).",
        "## Example",
        f"```python\n{example}\n```",
        *(_section(getattr(api, cls)) for cls in classes),
    ]
    return "\n\n".join(parts) + "\n"


def _base_page() -> str:
    intro = "What every plugin has, of whatever kind. The kinds have pages of their own."
    links = "\n".join(f"- [{name.replace('-', ' ')}]({name}.md)" for name in PAGES)
    more = "The [mistakes](mistakes.md) that `rae-auto plugins check` names have a page too."
    return "\n\n".join(["# Contract: all plugins", intro, links, more, _section(Plugin)]) + "\n"


def _section(cls: Any) -> str:
    rows = list(_members(cls))
    table = "\n".join(f"| `{name}` | {text} |" for name, text in rows)
    head = "| member | meaning |\n|---|---|\n"
    text = f"## {cls.__name__}\n\n| `{cls.__name__}` |\n|---|\n| {_one_line(cls.__doc__)} |"
    return f"{text}\n\n{head}{table}" if rows else text


def _members(cls: Any) -> Iterator[tuple[str, str]]:
    fields = {field.name for field in attrs.fields(cls)} if attrs.has(cls) else set()
    for base in reversed(cls.__mro__):
        if base is object or (base is Plugin and cls is not Plugin) or not base.__module__.startswith("rae_auto"):
            continue
        for name, value in vars(base).items():
            if name.startswith("_") or name in fields or (base is not cls and name in vars(cls)):
                continue
            function = getattr(value, "__func__", getattr(value, "fget", value))
            if inspect.isfunction(function) and function.__doc__:
                arguments = [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]
                call = "" if isinstance(value, property) else f"({', '.join(arguments)})"
                yield f"{name}{call}", _one_line(function.__doc__)
    for name in sorted(fields):
        yield name, "a field; the text above says what it holds"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _mistakes_page() -> str:
    rows = []
    for rule, found in RULES.items():
        planted = sum(mistake.rule == rule for mistake in MISTAKES)
        rows.append(f"| `{rule}` | {found} | {planted} |")
    return "\n".join(
        [
            "# Mistakes of plugins",
            "",
            "`rae-auto plugins check` names these mistakes by file, line, remedy and rule. The last column is the",
            "number that is planted in the tests; each must be named by its rule.",
            "",
            "| rule | finds | planted |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
