"""Exit codes: a command that ends with one of its own says so in its help, from which the page is written."""

import ast
from pathlib import Path

import click
import pytest

from rae_auto.cli.command_index import COMMANDS
from rae_auto.cli.program import program

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "exit-codes.md").read_text()

COMMANDS_OF = {
    "core/rae_auto/cli/change/edit.py": ["edit"],
    "core/rae_auto/cli/planning.py": ["check"],
    "core/rae_auto/cli/plugins/authoring.py": ["plugins check"],
    "core/rae_auto/cli/plugins/installing.py": ["plugins install", "plugins uninstall"],
    "core/rae_auto/cli/plugins/trial_views.py": ["plugins try"],
    "core/rae_auto/cli/runs.py": ["exec", "trigger"],
    "core/rae_auto/cli/simulate.py": ["simulate"],
    "core/rae_auto/cli/upkeep/doctor.py": ["doctor"],
    "core/rae_auto/cli/upkeep/service.py": ["service status", "service logs"],
    "plugins/rae_plugins/commands/importing/procedure.py": ["import"],
    "plugins/rae_plugins/commands/top/plain.py": ["top"],
}
"""The modules that return another exit code than 0 without an error, and the commands whose code that is."""

OTHERS = {"cli/failures.py", "cli/program.py", "upkeep/disk.py"}
"""Modules for all commands, and one whose function returns another number."""


def returns_a_code(path: Path) -> bool:
    """Return whether a function with an exit code returns another number than 0, or what only a run can tell."""
    tree = ast.parse(path.read_text())
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    returned = [
        node.value
        for function in functions
        if ast.unparse(function.returns or ast.Constant(None)) == "int" and not function.name.endswith(("_of", "width"))
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    ]
    exits = [
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "ctx.exit"
        for argument in node.args
    ]
    return any(is_own_code(value) for value in (*returned, *exits))


def is_own_code(value: ast.expr) -> bool:
    if isinstance(value, ast.IfExp):
        return is_own_code(value.body) or is_own_code(value.orelse)
    text = ast.unparse(value)
    return (isinstance(value, ast.Constant) and value.value in (1, 2, 3)) or text.startswith(
        ("int(", "subprocess.call")
    )


def help_of(name: str) -> str:
    command: click.Command = program
    context = click.Context(program)
    for word in name.split():
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None
        command = found
    return " ".join(command.get_help(context).split())


def test_modules_with_exit_codes_of_their_own_are_known() -> None:
    folders = ("core/rae_auto/cli", "plugins/rae_plugins/commands")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix() for path in paths if returns_a_code(path)}
    assert {name for name in found if not name.endswith(tuple(OTHERS))} == set(COMMANDS_OF)


@pytest.mark.parametrize(
    "name", sorted({name for names in COMMANDS_OF.values() for name in names} | {"next", "health"})
)
def test_command_with_an_exit_code_of_its_own_says_so(name: str) -> None:
    assert "exit code is" in help_of(name)
    assert f"| `rae-auto {name}` | " in PAGE


def test_help_of_the_program_names_the_exit_codes_of_all_commands() -> None:
    with click.Context(program) as context:
        text = program.get_help(context)
    assert [code for code in ("0 done", "1 refused", "2 bad", "3 no daemon", "130 Ctrl-C") if code not in text] == []
    assert len(COMMANDS) > 20
