"""Writes the pages of the contracts of plugins, from their docstrings, and the page of mistakes, from the rules."""

import ast
import importlib
import inspect
import itertools
import sys
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import attrs

from rae_auto import api
from rae_auto.api import trigger
from rae_auto.api.plugin import Plugin
from rae_auto.offline.authoring.template import render_project
from rae_auto.registry.inspection import RULES

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.architecture.public_api import public_modules, public_names
from tests.mistakes.results import describe_counts, describe_table, load_results
from tests.support.planted_plugins import MISTAKES

PAGES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "schedule": ("trigger", ("ScheduleTrigger",), "triggers.ScheduleConformance"),
    "source": (
        "trigger:source",
        ("SourceTrigger", "TriggerContext", "Emit", "EmitResult", "Timer", "Events"),
        "sources.SourceConformance",
    ),
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

MAX_ALTERNATIVES = 6
"""Types of a union that are named."""


def contract_pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page about a kind of plugin."""
    for name, (made, classes, suite) in PAGES.items():
        yield f"{name}.md", _page(name, made, classes, suite)
    yield "plugin.md", _base_page()
    yield "toolkit.md", _toolkit_page()
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
        *(_section(getattr(api, cls, None) or getattr(trigger, cls)) for cls in classes),
    ]
    return "\n\n".join(parts) + "\n"


def _base_page() -> str:
    intro = "What every plugin has, of whatever kind. The kinds have pages of their own."
    links = "\n".join(f"- [{name.replace('-', ' ')}]({name}.md)" for name in PAGES)
    more = (
        "The [mistakes](mistakes.md) that `rae-auto plugins check` names have a page too, and so have\n"
        "the [functions and types](toolkit.md) of `rae_auto.toolkit`, which every plugin may use."
    )
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
            if (
                (name.startswith("_") and name != "__call__")
                or name in fields
                or (base is not cls and name in vars(cls))
            ):
                continue
            function = getattr(value, "__func__", getattr(value, "fget", value))
            if inspect.isfunction(function) and function.__doc__:
                arguments = [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]
                call = "" if isinstance(value, property) else f"({', '.join(arguments)})"
                yield f"{name}{call}", _one_line(function.__doc__)
    yield from _fields_or_members(cls)


def _fields_or_members(cls: Any) -> Iterator[tuple[str, str]]:
    """Yield the fields of a value with their types and texts, or the members of an enumeration."""
    texts = {name: text for base in reversed(cls.__mro__) for name, text in _texts_of_fields(base).items()}
    if issubclass(cls, Enum):
        for member in cls:
            yield member.name, texts.get(member.name) or f'`"{member.value}"`'
    elif attrs.has(cls):
        for field in attrs.fields(cls):
            if field.name.startswith("_"):
                continue
            yield field.name, " ".join(filter(None, [f"`{_type_in_words(field.type)}`.", texts.get(field.name)]))


def _texts_of_fields(cls: Any) -> dict[str, str]:
    """Return the texts that follow fields in the source of a class."""
    if not cls.__module__.startswith("rae_auto"):
        return {}
    (node,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(node, ast.ClassDef)
    found = {}
    for before, after in itertools.pairwise(node.body):
        target = before.target if isinstance(before, ast.AnnAssign) else None
        if isinstance(before, ast.Assign):
            (target,) = before.targets
        if isinstance(target, ast.Name) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[target.id] = _one_line(str(after.value.value))
    return found


def _type_in_words(annotation: Any) -> str:
    """Return an annotation without the names of modules, the same on each version of Python."""
    if annotation is None or annotation is NoneType:
        return "None"
    if isinstance(annotation, list):
        return f"[{', '.join(map(_type_in_words, annotation))}]"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        if len(inner) > MAX_ALTERNATIVES:
            return "one of many: " + ", ".join(map(_type_in_words, inner[:MAX_ALTERNATIVES])) + ", …"
        return " \\| ".join(map(_type_in_words, inner))
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(_type_in_words, inner))}]"
    name = getattr(annotation, "__forward_arg__", None) or getattr(annotation, "__name__", None) or str(annotation)
    return str(name).rpartition(".")[2] or "…"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _toolkit_page() -> str:
    parts = [
        "# The toolkit",
        "All that is public in `rae_auto.toolkit`: what the built-in plugins are made with. What to use\n"
        "when is on the [page about writing plugins](../../guides/writing-plugins.md#what-the-toolkit-has).",
    ]
    shown = set[int]()
    for name in public_modules():
        if not name.startswith("rae_auto.toolkit."):
            continue
        module = importlib.import_module(name)
        public = [(one, getattr(module, one)) for one in public_names(module)]
        rows = [
            f"| `{_call_of(one, value)}` | {_one_line(value.__doc__)} |"
            for one, value in public
            if (inspect.isfunction(value) or inspect.isclass(value)) and value.__doc__ and id(value) not in shown
        ]
        shown |= {id(value) for _, value in public}  # a package repeats what its modules have
        if rows:
            (text, *_) = inspect.cleandoc(module.__doc__ or "").split("\n\n")
            parts += [
                f"## {name}",
                textwrap.fill(_one_line(text), 100),
                "| name | meaning |\n|---|---|\n" + "\n".join(rows),
            ]
    return "\n\n".join(parts) + "\n"


def _call_of(name: str, value: Any) -> str:
    """Return a function with its parameters, as one writes it; a class by its name."""
    if inspect.isclass(value) and (issubclass(value, BaseException) or not attrs.has(value)):
        return name
    parameters = []
    for one in inspect.signature(value).parameters.values():
        if one.kind is one.KEYWORD_ONLY and "*" not in parameters and not attrs.has(value):
            parameters.append("*")
        word = one.default
        given = f"{type(word).__name__}.{word.name}" if isinstance(word, Enum) else repr(word)
        default = "" if one.default is one.empty else f" = {given}"
        kind = "" if one.annotation is inspect.Parameter.empty else f": {_type_in_words(one.annotation)}"
        parameters.append(f"{one.name}{kind}{default}")
    beginning = "await " if inspect.iscoroutinefunction(value) else ""
    return f"{beginning}{name}({', '.join(parameters)})"


def _mistakes_page() -> str:
    rows, results = [], load_results()
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
            "## What is said of each mistake",
            "",
            "All mistakes of a trial of the plugin interface are planted in a distribution, `rae-bad`, one by",
            "one. `plugins check` and `check` look at it. A daemon runs with it, beside a job that starts each",
            "second.",
            "",
            "- The letters say what is named: **P** the plugin, **D** its distribution, **L** file and line,",
            "  **R** the remedy.",
            "- *up* is a daemon whose other job goes on, *limps* one that starts it less often, also because the",
            "  machine is busy, and *refuses* one that doesn't start and says why.",
            "",
            "The table is written by the command that plays them:",
            "",
            "```sh",
            ".venv/bin/python -m tests.mistakes --record && .venv/bin/python docs/generate.py",
            "```",
            "",
            *textwrap.wrap(describe_counts(results), 98),
            "",
            describe_table(results),
            "",
        ]
    )
