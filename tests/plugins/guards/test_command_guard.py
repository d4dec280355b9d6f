"""The command guard: verdicts by exit code, and no processes left behind."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.waiting import eventually

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.config.options import build
from rae_auto.registry import Registry
from rae_auto.testing.guards import GuardConformance
from rae_plugins.guards import command
from rae_plugins.guards.command import CommandGuard


def evaluate(script: str, *words: object, **options: Any) -> GuardResult:
    """Return the result of the guard for a shell script."""
    return asyncio.run(CommandGuard(command=("sh", "-c", script, "sh", *map(str, words)), **options).read())


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_until_gone(path: Path) -> None:
    pid = int(path.read_text())
    eventually(lambda: is_gone(pid))


class TestCommandConforms(GuardConformance):
    @pytest.fixture(params=["true", "false", "there-is-no-such-command"])
    def plugin(self, request: pytest.FixtureRequest) -> ReadGuard:
        return CommandGuard(command=[request.param])  # type: ignore[arg-type]  # as read from TOML


@pytest.mark.parametrize(
    ("script", "answer", "reason"),
    [
        ("exit 0", "yes", '"sh" succeeded'),
        ("exit 3", "no", '"sh" failed with exit code 3'),
        ("echo a; echo ' b '; echo; exit 1", "no", '"sh" failed with exit code 1: b'),
        ("echo broken >&2; exit 1", "no", '"sh" failed with exit code 1: broken'),
        ("printf '\\033[31mred\\r\\377\\n'", "yes", '"sh" succeeded: \\x1b[31mred\\r\ufffd'),
        ("kill -9 $$", "unknown", '"sh" was killed by SIGKILL'),
        ("echo last words; kill -TERM $$", "unknown", '"sh" was killed by SIGTERM: last words'),
        ("kill -40 $$", "unknown", '"sh" was killed by signal 40'),
        ("read line; exit $?", "no", '"sh" failed with exit code 1'),
    ],
)
def test_command_guard_judges_by_the_exit_code(script: str, answer: str, reason: str) -> None:
    assert evaluate(script) == GuardResult(Verdict(answer), reason)


@pytest.mark.parametrize("program", ["there-is-no-such-command", "/etc/passwd", "/"])
def test_command_guard_that_cannot_start_is_unknown(program: str) -> None:
    result = asyncio.run(CommandGuard(command=(program,)).read())
    assert result.verdict is Verdict.UNKNOWN
    assert result.reason.startswith(f'"{program}" cannot be started: ')


def test_command_guard_at_the_timeout_is_unknown_and_killed(tmp_path: Path) -> None:
    script = 'echo $$ > "$1/own"; (echo $(exec sh -c "echo \\$PPID") > "$1/child"; sleep 600) & wait'
    assert evaluate(script, tmp_path, timeout="3s") == GuardResult(Verdict.UNKNOWN, '"sh" took longer than 3 s')
    wait_until_gone(tmp_path / "own")
    wait_until_gone(tmp_path / "child")


def test_command_guard_kills_what_its_command_leaves_behind(tmp_path: Path) -> None:
    # One that waited for the pipe would take longer than it may.
    assert evaluate('sleep 600 & echo $! > "$1/left"; echo done', tmp_path) == GuardResult(
        Verdict.YES, '"sh" succeeded: done'
    )
    wait_until_gone(tmp_path / "left")


def test_command_guard_keeps_the_last_line_of_a_flood() -> None:
    assert evaluate("head -c 3000000 /dev/zero; echo; echo the end").reason == '"sh" succeeded: the end'
    assert len(evaluate("head -c 3000000 /dev/zero | tr '\\0' x").reason) < 200


def test_command_guard_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    guard = CommandGuard(
        command=("sh", "-c", 'echo $$ > "$1/own.new"; mv "$1/own.new" "$1/own"; sleep 600', "sh", str(tmp_path))
    )

    async def give_up() -> None:
        asked = asyncio.create_task(guard.read())
        await asyncio.to_thread(eventually, (tmp_path / "own").exists)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(give_up())
    wait_until_gone(tmp_path / "own")


def test_command_guard_leaks_no_descriptors() -> None:
    async def ask_often() -> int:
        await CommandGuard(command=("true",)).read()
        before = len(os.listdir("/dev/fd"))
        for program in ("true", "false", "there-is-no-such-command"):
            await CommandGuard(command=(program,)).read()
        return len(os.listdir("/dev/fd")) - before

    assert asyncio.run(ask_often()) == 0


def test_command_guard_runs_in_the_home_directory_or_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert evaluate('test "$(pwd -P)" = "$1"', tmp_path.resolve()).verdict is Verdict.YES
    monkeypatch.setenv("HOME", str(tmp_path / "none"))
    assert evaluate("pwd -P").reason == '"sh" succeeded: /'


@pytest.mark.requirement("S16", "S17")
def test_command_guard_gets_no_secrets_of_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "canary")
    monkeypatch.setenv("LD_PRELOAD_TEST", "canary")
    answer = evaluate('test -n "$PATH" && test -n "$HOME" && ! env | grep canary')
    assert answer.verdict is Verdict.YES, answer.reason


def test_command_guard_uses_no_shell() -> None:
    guard = CommandGuard(command=(sys.executable, "-c", "import sys; print(sys.argv[1])", "$(echo no) > /x"))
    assert asyncio.run(guard.read()).reason.endswith("succeeded: $(echo no) > /x")


def test_command_guard_is_built_from_toml_values() -> None:
    made = build(CommandGuard, {"command": ["true"], "timeout": "2s"}, timezone="UTC", plugins=Registry())
    assert made == CommandGuard(command=("true",), timeout="2s")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"command": ()}, "must be a list of words"),
        ({"command": ("",)}, "must be a list of words"),
        ({"command": ("a\0b",)}, "must be a list of words"),
        ({"command": ("true",), "timeout": "10s"}, "at most 9s; for a longer check use a job"),
        ({"command": ("true",), "timeout": 0}, "must be more than 0s"),
    ],
)
def test_command_guard_refuses_bad_commands_and_long_timeouts(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        CommandGuard(**options)


def test_command_guard_module_offers_the_guard() -> None:
    assert command.rae_guards() == [CommandGuard]
