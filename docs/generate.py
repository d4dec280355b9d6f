"""Writes what the pages repeat of the program: help texts, the list of commands, tables of options.

`python docs/generate.py` brings the pages up to date; with `--check` it only names those that are not, and fails.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from rae_auto.api.plugin import Kind
from rae_auto.cli.program import program
from rae_auto.model.reasons import REASONS
from rae_auto.registry import Registry
from rae_auto.registry.describe import describe

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
    root = click.Context(program, info_name="rae-auto", terminal_width=WIDTH)
    helps = [("rae-auto", program.get_help(root))]
    helps += [(name, command.get_help(context)) for name, command, context in commands(program, root)]
    intro = (
        "What `--help` prints, of each command. Exit codes: 0 done, 1 refused or failed, 2 bad usage or configuration, "
        "3 no daemon to talk to."
    )
    sections = [f"## {name}\n\n```text\n{text.rstrip()}\n```\n" for name, text in helps]
    return "\n".join(["# Commands\n", f"{intro}\n", *sections])


def command_table() -> str:
    """One row for each command."""
    root = click.Context(program, info_name="rae-auto")
    rows = [
        (name, command.get_short_help_str(limit=200))
        for name, command, _ in commands(program, root)
        if name.count(" ") == 1
    ]
    return table(("command", "what it does"), [(f"`{name}`", text) for name, text in rows])


def option_table(kind: str, name: str) -> str:
    """One row for each option of a plugin."""
    options = describe(Registry().get(Kind(kind), name)).options
    if not options:
        return "None."
    rows = [(f"`{o.name}`", o.type, "required" if o.default is None else f"`{o.default}`", o.help) for o in options]
    return table(("option", "type", "default", "meaning"), rows)


def reason_table() -> str:
    """One row for each reason."""
    return table(("code", "meaning"), [(f"`{code}`", reason.meaning) for code, reason in REASONS.items()])


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def filled(text: str) -> str:
    """A page with what stands between its markers written anew."""

    def fill(found: re.Match[str]) -> str:
        words = found["what"].split()
        tables = {"commands": command_table, "reasons": reason_table}
        content = tables[words[0]]() if words[0] in tables else option_table(*words[2:])
        return f"<!-- {found['what']} -->\n{content}\n<!-- end -->"

    return re.sub(
        r"<!-- (?P<what>commands|reasons|options of \w+ \w+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL
    )


def tests_by_requirement() -> dict[str, list[str]]:
    """Return the tests that prove each requirement, by the markers `@pytest.mark.requirement("R1", …)`."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        module = [
            node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                marks = [*node.decorator_list, *(one for assign in module for one in ast.walk(assign.value))]
                for mark in marks:
                    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.requirement":
                        for argument in mark.args:
                            found.setdefault(ast.literal_eval(argument), []).append(node.name)
    return found


def reliability_page(text: str) -> str:
    """Return the page with the tests of each requirement; the page itself says what is required."""
    tests = tests_by_requirement()

    def row(found: re.Match[str]) -> str:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(tests.get(found["id"], ())))
        return f"| {found['id']} | {found['what']} | {names} |"

    return re.sub(r"^\| (?P<id>R\d+) \| (?P<what>.+?) \| ?.*\|$", row, text, flags=re.MULTILINE)


def main(check_only: bool) -> int:
    """Write, or check, all pages; the exit code."""
    pages = {page: filled(page.read_text()) for page in [ROOT / "README.md", *DOCS.rglob("*.md")]}
    pages[DOCS / "commands.md"] = command_page()
    reliability = DOCS / "design" / "reliability.md"
    pages[reliability] = reliability_page(pages[reliability])
    stale = [page for page, text in pages.items() if not page.exists() or page.read_text() != text]
    for page in stale:
        print(f"{page.relative_to(ROOT)} {'is out of date' if check_only else 'written'}")
        if not check_only:
            page.write_text(pages[page])
    return 1 if stale and check_only else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
