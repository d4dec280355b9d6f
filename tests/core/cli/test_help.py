"""The program without a command: its grouped help, or the status of a running daemon."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from tests.core.cli.conftest import Cli

from rae_auto.api.plugin import Kind
from rae_auto.cli.command_index import COMMAND_GROUPS, COMMANDS
from rae_auto.cli.plain.help_page import OPTIONS, PLUGIN_SECTION
from rae_auto.cli.program import program
from rae_auto.cli.usage import MAX_SUMMARY_CHARACTERS
from rae_auto.registry import Registry


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_help_of_the_program_is_grouped_and_never_cut_off(
    offline: Cli, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = offline()
    assert (said.code, said.err) == (0, "")
    assert said.out == offline("--help").out
    assert "..." not in said.out.replace("[ARGS]...", "")
    titles = [line[:-1] for line in said.out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Options", *COMMAND_GROUPS, *([PLUGIN_SECTION] if Registry().names(Kind.COMMAND) else [])]
    for group in COMMAND_GROUPS.values():
        assert all(f"\n  {name} " in said.out for name in group)


def test_help_names_the_variable_of_the_state_and_the_usual_configuration(offline: Cli) -> None:
    assert {"RAE_STATE_DIR", "~/.config/rae-auto/rae.toml)."} <= set(offline("--help").out.split())


def test_a_group_without_a_command_shows_its_help(offline: Cli) -> None:
    groups = [
        name
        for names in COMMAND_GROUPS.values()
        for name in names
        if isinstance(group := program.get_command(click.Context(program), name), click.Group) and group.no_args_is_help
    ]
    assert "event" in groups
    for name in groups:
        said = offline(name)
        assert (said.code, said.err) == (0, "")
        assert said.out == offline(name, "--help").out


def test_program_without_a_command_shows_the_status_of_the_daemon(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    said = cli()
    assert said.code == 0
    assert f"pid {daemon.pid}" in said.out
    assert said.out.splitlines()[-1] == "all commands: 'rae-auto --help'"


def test_status_without_a_command_fits_one_screen(
    cli: Cli, daemon: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "5")
    runs = [cli("trigger", "sleeper").out.strip(), cli("trigger", "after").out.strip()]
    lines = cli().out.splitlines()
    cli("cancel", "sleeper")
    cli("cancel", "after")
    assert len(runs) == 2
    assert len(lines) == 4
    assert "more lines: 'rae-auto status'" in lines[-1]


def test_a_folder_with_another_configuration_gets_the_help(
    cli: Cli, daemon: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rae.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert cli().out.startswith("Usage: rae-auto ")


@pytest.mark.parametrize("name", COMMANDS)
def test_line_of_a_command_in_the_help_is_the_first_of_its_own_help(name: str) -> None:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    assert COMMANDS[name].summary == command.get_short_help_str(MAX_SUMMARY_CHARACTERS)


def test_help_of_the_program_shows_its_options() -> None:
    shown = {words.split()[0].rstrip(",") for words in OPTIONS}
    hidden = {"-h"}
    assert {parameter.opts[0] for parameter in program.params} == shown - hidden


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_help_that_can_not_be_written_is_an_error() -> None:
    command = [sys.executable, "-m", "rae_auto", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.rstrip().endswith("in its help.")
    with Path("/dev/full").open("w") as full:
        failed = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert failed.returncode
    assert "No space left" in failed.stderr
