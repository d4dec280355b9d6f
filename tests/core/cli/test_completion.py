"""Completion: each name that a command takes is offered, by every shell that is supported."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from tests.core.cli.conftest import Cli
from tests.support.daemons import Daemons

from rae_auto.cli.program import program
from rae_auto.model.run import RunState


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path, '[jobs.hello]\ncommand = ["true"]\n')
    yield daemons
    daemons.end()


def offered(*words: str) -> list[str]:
    """The completions of the last word."""
    completion = ShellComplete(program, {}, "rae-auto", "_RAE_AUTO_COMPLETE")
    return [item.value for item in completion.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    "command",
    ["show", "remove", "pause", "resume", "trigger", "exec", "cancel", "output", "next", "history", "stats", "why"],
)
def test_jobs_are_offered_to_every_command_that_takes_one(
    cli: Cli, daemon: subprocess.Popen[bytes], command: str
) -> None:
    assert offered(command, "hel") == ["hello"]


def test_a_further_job_is_offered_too(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    assert offered("trigger", "hello", "slee") == ["sleeper"]
    assert offered("add", "x", "--needs", "slee") == ["sleeper"]


def test_jobs_are_offered_without_a_daemon(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    assert offered("trigger", "hel") == ["hello"]


def test_nothing_is_offered_where_nothing_is_known(offline: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert offered("trigger", "") == []
    assert offered("output", "") == []
    assert offered("notify", "test", "") == []
    assert capsys.readouterr() == ("", "")


def test_runs_are_offered_by_their_beginning(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    run = cli("trigger", "hello").out.strip()
    assert run in offered("output", run[:10])
    assert run in offered("cancel", run[:10])
    assert run in offered("why", "hello", "--run", run[:10])


def test_states_and_plugins_are_offered(cli: Cli) -> None:
    assert offered("history", "--state", "") == [state.value for state in RunState]
    assert offered("plugins", "show", "tr") == ["trigger"]
    assert offered("plugins", "show", "trigger", "cr") == ["cron"]


def test_notifiers_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rae.toml").write_text('[notifiers.desk]\ntype = "command"\ncommand = ["true"]\n')
    monkeypatch.chdir(tmp_path)
    assert offered("notify", "test", "") == ["desk"]


@pytest.mark.parametrize(
    ("option", "typed", "names"),
    [
        ("--trigger", "cr", ["cron"]),
        ("--trigger", "zzz", []),
        ("--guard", "pa", ["path"]),
        ("--executor", "", ["process", "thread"]),
    ],
)
def test_plugins_are_offered_to_the_options_that_take_one(option: str, typed: str, names: list[str]) -> None:
    own = {"cron", "path", "process", "thread"}
    assert [name for name in offered("add", "x", option, typed) if name in own] == names


@pytest.mark.parametrize(
    ("option", "typed", "offers"),
    [
        ("--trigger", "interval:ev", ["interval:every="]),
        ("--trigger", "interval:every=1h,ji", ["interval:every=1h,jitter="]),
        ("--trigger", "interval:every=1h,ev", []),
        ("--executor", "process:orphans=", ["process:orphans=kill", "process:orphans=allow"]),
        ("--trigger", "zzz:ev", []),
        ("--guard", "load:be", ["load:below="]),
        ("--executor", "process:or", ["process:orphans="]),
    ],
)
def test_keys_behind_a_plugin_are_offered(option: str, typed: str, offers: list[str]) -> None:
    assert offered("add", "x", option, typed) == offers


@pytest.mark.parametrize("content", [b"jobs = [\n", b"\xff\xfe\x00", b"jobs = 3\n", b""])
def test_nothing_is_offered_from_a_file_that_is_no_configuration(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rae.toml").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    for words in (("trigger",), ("output",), ("notify", "test"), ("why", "x", "--run")):
        assert offered(*words, "") == []
    assert capfd.readouterr() == ("", "")


def test_every_argument_that_names_something_is_completed() -> None:
    context = click.Context(program)
    without = {
        (name, parameter.name)
        for name in program.list_commands(context)
        for parameter in program.get_command(context, name).params  # type: ignore[union-attr]
        if parameter.name in ("job", "jobs", "target", "targets", "what", "notifiers", "states", "run")
        and parameter._custom_shell_complete is None
    }
    assert without == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell_asks_the_program(shell: str, cli: Cli) -> None:
    said = cli("completion", shell)
    assert said.code == 0
    assert f"{shell}_complete" in said.out


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("rae-auto trigger hel", "hello"),
        ("rae-auto add x --trigger interval : ev", "every="),
        ("rae-auto add x --trigger interval :", "every="),
        ("rae-auto add x --trigger interval : every = 1h,ji", "1h,jitter="),
        ("rae-auto add x --trigger = interval : ev", "every="),
    ],
)
def test_bash_completes_words_as_readline_breaks_them(
    cli: Cli, daemon: subprocess.Popen[bytes], home: Path, tmp_path: Path, words: str, completed: str
) -> None:
    program_path = tmp_path / "rae-auto"
    program_path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rae_auto "$@"\n')
    program_path.chmod(0o700)
    lines = [
        'eval "$(rae-auto completion bash)"',
        f"COMP_WORDS=({words}) COMP_CWORD={len(words.split()) - 1}",
        "_rae_auto_completion rae-auto",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ]
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "RAE_STATE_DIR": str(home / "state"),
    }
    ran = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=home, env=environment, capture_output=True, text=True)
    assert ran.stdout.splitlines()[:1] == [completed], ran.stderr


def test_names_of_recorded_events_are_offered(cli: Cli, daemon: subprocess.Popen[bytes]) -> None:
    assert cli("event", "send", "completion.tested").code == 0
    assert offered("event", "send", "completion.") == ["completion.tested"]
    assert offered("event", "list", "--name", "completion.") == ["completion.tested"]
    assert offered("event", "delete", "completion.") == ["completion.tested"]


def test_runs_and_events_are_offered_while_the_file_has_an_error(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemons.serve()
    run = daemons.ask("trigger", job="hello")["run_id"]
    daemons.ask("record_event", name="seen.once")
    daemons.stop()
    daemons.write(daemons.config.read_text() + "nonsense = 1\n")
    monkeypatch.setenv("RAE_STATE_DIR", str(daemons.state))
    monkeypatch.chdir(daemons.home)
    assert offered("output", run[:12]) == [run]
    assert offered("event", "delete", "seen") == ["seen.once"]
