"""Writes what the pages repeat of the program: help texts, tables of options and codes, and what examples print.

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

from rae_auto import __version__
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.cli.command_index import COMMAND_GROUPS
from rae_auto.cli.plain.help_page import EPILOG, PLUGIN_SECTION
from rae_auto.cli.program import program
from rae_auto.errors import PluginUnavailable
from rae_auto.registry import Registry
from rae_auto.registry.describe import describe
from rae_plugins.triggers.file.temporary_names import TEMPORARY_NAMES

sys.path.insert(0, str(Path(__file__).resolve().parent))
from code_pages import code_sections, reason_sections
from cron_tables import with_cron_tables
from gallery_page import distributions_text, gallery_table, others_table
from grade_page import grade_page
from machine_texts import list_pages
from man_page import man_page
from plugin_pages import contract_pages
from printed import with_printed

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


def sections() -> dict[str, list[str]]:
    """The commands by their sections: of plugins, those that come with rae-auto."""
    own = sorted(
        info.name for info in Registry().infos() if (info.kind, info.distribution) == (Kind.COMMAND, "rae-auto")
    )
    return {**{title: list(names) for title, names in COMMAND_GROUPS.items()}, **({PLUGIN_SECTION: own} if own else {})}


def command_page() -> str:
    """The page of all help texts."""
    root = click.Context(program, info_name="rae-auto", terminal_width=WIDTH, **program.context_settings)
    own = {f"rae-auto {name}" for names in sections().values() for name in names}
    helps = [("rae-auto", program.get_help(root))]
    helps += [
        (name, command.get_help(context))
        for name, command, context in commands(program, root)
        if " ".join(name.split()[:2]) in own
    ]
    intro = (
        "All commands, and below their help texts, as `--help` prints them. Commands that print data have\n"
        "`--json`. Exit codes: 0 done, 1 refused or failed, 2 bad usage or configuration, 3 no daemon is\n"
        "running ([more](exit-codes.md))."
    )
    first_of_group = {f"rae-auto {names[0]}": title for title, names in sections().items()}
    parts = []
    for name, text in helps:
        if name in first_of_group:
            parts.append(f"## {first_of_group[name]}\n")
        level = "##" if name == "rae-auto" else "###" if name.count(" ") == 1 else "####"
        parts.append(f"{level} {name}\n\n```text\n{text.rstrip()}\n```\n")
    return "\n".join(["# Commands\n", f"{intro}\n", f"{command_table()}\n", *parts])


def manual() -> str:
    """The man page of all commands."""
    root = click.Context(program, info_name="rae-auto", **program.context_settings)
    found = [(name, command) for name, command, _ in commands(program, root)]
    by_section = {
        title: [pair for name in names for pair in found if pair[0].split()[1] == name]
        for title, names in sections().items()
    }
    return man_page(__version__, by_section, EPILOG)


def command_table() -> str:
    """A table for each group, with one row for each command."""
    root = click.Context(program, info_name="rae-auto")
    tables = []
    for title, names in sections().items():
        rows = []
        for name in names:
            command = program.get_command(root, name)
            assert command is not None
            rows.append((f"`rae-auto {name}`", command.get_short_help_str(limit=200)))
        tables.append(table((title.lower(), "what it does"), rows))
    return "\n\n".join(tables)


def exit_code_table() -> str:
    """A row for each command that has an exit code of its own, with what its help says of it."""
    root = click.Context(program, info_name="rae-auto")
    rows = [
        (f"`{name}`", " ".join(said))
        for name, command, context in commands(program, root)
        if (said := exit_code_sentences(command.get_help(context)))
    ]
    return table(("command", "exit code"), rows)


def exit_code_sentences(text: str) -> list[str]:
    """The sentences about exit codes in the help text of a command."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", " ".join(text.split()))
    return [sentence for sentence in sentences if "exit code is" in sentence]


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
    """Return a page with the text between its markers generated again."""

    def fill(found: re.Match[str]) -> str:
        words = found["what"].split()
        tables = {
            "commands": command_table,
            "exit": exit_code_table,
            "reasons": reason_sections,
            "temporary": temporary_names,
        }
        if words[0] in tables:
            content = tables[words[0]]()
        elif words[0] == "gallery":
            content = others_table() if words[2] == "others" else gallery_table(Kind(words[2]))
        elif words[0] == "example":
            content = f"```toml\n{(DOCS / 'examples' / f'{words[1]}.toml').read_text()}```"
        else:
            content = code_sections(words[2]) if words[0] == "codes" else option_table(*words[2:])
        return f"<!-- {found['what']} -->\n{content}\n<!-- end -->"

    return re.sub(
        r"<!-- (?P<what>commands|exit codes|reasons|temporary names|codes of [-\w]+|gallery of \w+|example [-\w]+"
        r"|options of \w+ \w+) -->\n.*?<!-- end -->",
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
    pages = {
        page: with_printed(with_cron_tables(filled(page.read_text())), DOCS)
        for page in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    }
    pages[DOCS / "reference" / "commands.md"] = command_page()
    pages[DOCS / "rae-auto.1"] = manual()
    pages |= {DOCS / "reference" / "plugin-api" / name: text for name, text in contract_pages()}
    pages[DOCS / "reference" / "plugin-api" / "grades.md"] = grade_page()
    hints = ROOT / "core" / "rae_auto" / "config" / "hints"
    pages[hints / "other_distributions.toml"] = distributions_text()
    reliability = DOCS / "design" / "reliability.md"
    try:
        pages[reliability] = reliability_page(pages[reliability], tests_by_requirement())
    except ValueError as error:
        print(f"{reliability.relative_to(ROOT)}: {error}")
        return 1
    below = {
        page.relative_to(DOCS).as_posix(): text
        for page, text in pages.items()
        if page.suffix == ".md" and page.is_relative_to(DOCS)
    }
    pages[DOCS / "llms.txt"] = list_pages(below)
    stale = [page for page, text in pages.items() if not page.exists() or page.read_text() != text]
    for page in stale:
        print(f"{page.relative_to(ROOT)} {'is out of date' if check_only else 'written'}")
        if not check_only:
            page.parent.mkdir(exist_ok=True)
            page.write_text(pages[page])
    return 1 if stale and check_only else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
