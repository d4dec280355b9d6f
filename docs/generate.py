"""Writes what the pages repeat of the program: help texts, the list of commands, tables of options.

`python docs/generate.py` brings the pages up to date; with `--check` it only names those that are not, and fails.
"""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import click

from rae_auto.api.plugin import Kind, Plugin
from rae_auto.cli.program import COMMAND_GROUPS, program
from rae_auto.errors import PluginUnavailable
from rae_auto.model.reasons import REASONS
from rae_auto.registry import Registry
from rae_auto.registry.describe import describe
from rae_plugins.triggers.file.temporary_names import TEMPORARY_NAMES

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
WIDTH = 100


def commands(group: click.Group, parent: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command and sub-command with its whole name, in the order of the help."""
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
        yield context.command_path, command, context
        if isinstance(command, click.Group):
            yield from commands(command, context)


def command_page() -> str:
    """The page of all help texts."""
    root = click.Context(program, info_name="rae-auto", terminal_width=WIDTH, **program.context_settings)
    helps = [("rae-auto", program.get_help(root))]
    helps += [(name, command.get_help(context)) for name, command, context in commands(program, root)]
    intro = (
        "The help texts of all commands, as `--help` prints them. Exit codes: 0 done, 1 refused or failed,\n"
        "2 bad usage or configuration, 3 no daemon is running."
    )
    first_of_group = {f"rae-auto {next(iter(names))}": title for title, names in COMMAND_GROUPS.items()}
    sections = []
    for name, text in helps:
        if name in first_of_group:
            sections.append(f"## {first_of_group[name]}\n")
        level = "##" if name == "rae-auto" else "###" if name.count(" ") == 1 else "####"
        sections.append(f"{level} {name}\n\n```text\n{text.rstrip()}\n```\n")
    return "\n".join(["# Commands\n", f"{intro}\n", *sections])


def command_table() -> str:
    """A table for each group, with one row for each command."""
    root = click.Context(program, info_name="rae-auto")
    tables = []
    for title, names in COMMAND_GROUPS.items():
        rows = []
        for name in names:
            command = program.get_command(root, name)
            assert command is not None
            rows.append((f"`rae-auto {name}`", command.get_short_help_str(limit=200)))
        tables.append(table((title.lower(), "what it does"), rows))
    return "\n\n".join(tables)


def plugin_class(kind: Kind, name: str) -> type[Plugin]:
    """The class of a plugin, of one for another platform too: its options are the same everywhere."""
    registry = Registry()
    try:
        return registry.get(kind, name)
    except PluginUnavailable:
        module = importlib.import_module(registry.info(kind, name).module)
        return next(cls for cls in getattr(module, f"rae_{kind}s")() if cls.type == name)


def option_table(kind: str, name: str) -> str:
    """One row for each option of a plugin."""
    options = describe(plugin_class(Kind(kind), name)).options
    if not options:
        return "None."
    rows = [(f"`{o.name}`", o.type, "required" if o.default is None else f"`{o.default}`", o.help) for o in options]
    return table(("option", "type", "default", "meaning"), rows)


def reason_table() -> str:
    """One row for each reason."""
    return table(("code", "meaning"), [(f"`{code}`", reason.meaning) for code, reason in REASONS.items()])


def temporary_names() -> str:
    """One row for each kind of program that writes files under temporary names."""
    rows = [(by, " ".join(f"`{pattern}`" for pattern in patterns)) for by, patterns in TEMPORARY_NAMES.items()]
    rows.append(("rsync", "`.NAME.XXXXXX`, with a capital or a digit among the six at the end"))
    return table(("written by", "names"), rows)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def filled(text: str) -> str:
    """A page with what stands between its markers written anew."""

    def fill(found: re.Match[str]) -> str:
        words = found["what"].split()
        tables = {"commands": command_table, "reasons": reason_table, "temporary": temporary_names}
        content = tables[words[0]]() if words[0] in tables else option_table(*words[2:])
        return f"<!-- {found['what']} -->\n{content}\n<!-- end -->"

    return re.sub(
        r"<!-- (?P<what>commands|reasons|temporary names|options of \w+ \w+) -->\n.*?<!-- end -->",
        fill,
        text,
        flags=re.DOTALL,
    )


def tests_by_requirement(root: Path = ROOT / "tests") -> dict[str, list[str]]:
    """Return the tests that prove each requirement, by the markers `@pytest.mark.requirement("R1", …)`.

    A marker of a class counts for its tests, or for the class itself where it inherits them all from a suite.
    """
    found: dict[str, list[str]] = {}

    def visit(body: list[ast.stmt], ids: list[str]) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                marked = [*ids, *requirements_of(*node.decorator_list, *assigned_marks(node.body))]
                if any(is_test(inner) for inner in node.body):
                    visit(node.body, marked)
                elif node.name.startswith("Test"):
                    record(node.name, marked)
            elif is_test(node):
                record(node.name, [*ids, *requirements_of(*node.decorator_list)])

    def record(name: str, ids: list[str]) -> None:
        for one in dict.fromkeys(ids):
            found.setdefault(one, []).append(name)

    for path in sorted(root.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        visit(tree.body, requirements_of(*assigned_marks(tree.body)))
    return found


def is_test(node: ast.stmt) -> TypeGuard[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return whether a statement defines a test."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")


def assigned_marks(body: list[ast.stmt]) -> list[ast.expr]:
    """Return the value of `pytestmark`, if there is one."""
    return [
        node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]


def requirements_of(*marks: ast.expr) -> list[str]:
    """Return the ids in these markers, or in lists of them."""
    calls = [node for mark in marks for node in ast.walk(mark) if isinstance(node, ast.Call)]
    ours = [call for call in calls if ast.unparse(call.func) == "pytest.mark.requirement"]
    return [ast.literal_eval(argument) for call in ours for argument in call.args]


def reliability_page(text: str, tests: dict[str, list[str]]) -> str:
    """Return the page with the tests of each requirement; the page itself says what is required.

    Errors: ValueError for a marker without a line on the page, a line without a test or a reason, or with both.
    """
    known: set[str] = set()

    def row(found: re.Match[str]) -> str:
        known.add(found["id"])
        names = list(dict.fromkeys(tests.get(found["id"], ())))
        is_untested = found["tests"].startswith("not tested: ")
        if bool(names) == is_untested:
            raise ValueError(f"{found['id']}: needs tests, or a reason that begins with 'not tested: ', and not both")
        return f"| {found['id']} | {found['what']} | {', '.join(f'`{name}`' for name in names) or found['tests']} |"

    page = re.sub(r"^\| (?P<id>[RS]\d+) \| (?P<what>.+?) \| ?(?P<tests>.*?) ?\|$", row, text, flags=re.MULTILINE)
    if unknown := tests.keys() - known:
        raise ValueError(f"markers of requirements that the page of reliability lacks: {', '.join(sorted(unknown))}")
    return page


def main(check_only: bool) -> int:
    """Write, or check, all pages; the exit code."""
    pages = {page: filled(page.read_text()) for page in [ROOT / "README.md", *DOCS.rglob("*.md")]}
    pages[DOCS / "commands.md"] = command_page()
    reliability = DOCS / "design" / "reliability.md"
    try:
        pages[reliability] = reliability_page(pages[reliability], tests_by_requirement())
    except ValueError as error:
        print(f"{reliability.relative_to(ROOT)}: {error}")
        return 1
    stale = [page for page, text in pages.items() if not page.exists() or page.read_text() != text]
    for page in stale:
        print(f"{page.relative_to(ROOT)} {'is out of date' if check_only else 'written'}")
        if not check_only:
            page.write_text(pages[page])
    return 1 if stale and check_only else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
