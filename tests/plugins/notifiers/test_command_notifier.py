"""The command notifier: JSON on standard input, no shell, and a timeout."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest
from tests.support.waiting import eventually

from rae_auto.api import Notifier
from rae_auto.config.options import build
from rae_auto.model.policies import NotifyOn
from rae_auto.model.run import RunState
from rae_auto.registry import Registry
from rae_auto.testing.notifiers import NOTICE, NotifierConformance
from rae_auto.toolkit.notices import notice_record
from rae_plugins.notifiers import command
from rae_plugins.notifiers.command import CommandNotifier

# Notices of the same time come to files of their own.
KEEP = """
import os, pathlib, sys
pathlib.Path(sys.argv[1], f"{os.getpid()}.json").write_bytes(sys.stdin.buffer.read())
"""
HANG = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"


def python(code: str, *arguments: object, **options: Any) -> CommandNotifier:
    return CommandNotifier(command=[sys.executable, "-c", code, *map(str, arguments)], **options)


def notify(notifier: Notifier, **changes: Any) -> None:
    asyncio.run(notifier.notify(attrs.evolve(NOTICE, **changes)))


class TestCommandConforms(NotifierConformance):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> Notifier:
        return python(KEEP, tmp_path)

    @pytest.fixture
    def read(self, tmp_path: Path) -> Callable[[], list[str]]:
        return lambda: [json.loads(path.read_bytes())["text"] for path in tmp_path.glob("*.json")]

    @pytest.fixture(params=["false", "there-is-no-such-command"])
    def failing(self, request: pytest.FixtureRequest) -> Notifier:
        return CommandNotifier(command=[request.param])  # type: ignore[arg-type]  # as read from TOML


def test_notifier_passes_the_notice_as_json_on_stdin(tmp_path: Path) -> None:
    notify(python(KEEP, tmp_path))
    (path,) = tmp_path.glob("*.json")
    assert json.loads(path.read_bytes()) == notice_record(NOTICE) | {
        "kind": "failure",
        "job": "backup",
        "run_id": "backup-1",
        "state": "failed",
        "at": "2026-01-31T18:00:00+00:00",
        "text": "backup failed: exit code 3",
        "exit_code": 3,
        "attempt": 1,
    }


def test_notice_without_an_exit_code_has_null(tmp_path: Path) -> None:
    notify(python(KEEP, tmp_path), kind=NotifyOn.RECOVERY, state=RunState.SUCCEEDED, exit_code=None)
    (path,) = tmp_path.glob("*.json")
    assert json.loads(path.read_bytes())["exit_code"] is None


@pytest.mark.parametrize("text", ["a\r\nBcc: x@example.org", "\x1b]0;x\x07", "\u202e", "\ud800", "\0"])
@pytest.mark.requirement("S22")
def test_notice_with_hostile_text_is_one_line_of_ascii(tmp_path: Path, text: str) -> None:
    notify(python(KEEP, tmp_path), text=text)
    (path,) = tmp_path.glob("*.json")
    content = path.read_bytes()
    assert content.decode("ascii").isprintable()
    assert json.loads(content)["text"] == text


@pytest.mark.requirement("S22")
def test_notifier_uses_no_shell(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
    notify(python(code, tmp_path / "words", f"$(touch {trap}); *"))
    assert (tmp_path / "words").read_text() == f"$(touch {trap}); *"
    assert not trap.exists()


@pytest.mark.parametrize("code", [1, 3, 255])
def test_notifier_fails_with_the_exit_code(code: int) -> None:
    with pytest.raises(RuntimeError, match=f"failed with exit code {code}$"):
        notify(python(f"raise SystemExit({code})"))


@pytest.mark.requirement("S22")
def test_notifier_kills_a_command_at_the_timeout(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    hanging = python(HANG, pid, timeout="1s")
    with pytest.raises(RuntimeError, match=r"took longer than 1 s$"):
        notify(hanging)
    if pid.exists():
        assert not psutil.pid_exists(int(pid.read_text()))


def test_notifier_kills_the_children_at_the_timeout(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = 'sleep 600 & echo $! > "$1.new"; mv "$1.new" "$1"; wait'
    with pytest.raises(RuntimeError, match="took longer than 2 s"):
        notify(CommandNotifier(command=("sh", "-c", script, "sh", str(pid)), timeout="2s"))
    left = int(pid.read_text())
    eventually(lambda: not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE)


def test_notifier_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    async def give_up() -> None:
        notifying = asyncio.create_task(python(HANG, pid).notify(NOTICE))
        async with asyncio.timeout(60):
            while not (pid.exists() and pid.read_text()):  # noqa: ASYNC110 - another process tells, by a file
                await asyncio.sleep(0.01)
        notifying.cancel()
        await asyncio.wait([notifying])
        assert notifying.cancelled()

    asyncio.run(give_up())
    assert not psutil.pid_exists(int(pid.read_text()))


@pytest.mark.requirement("S16", "S17")
def test_notifier_command_gets_no_secrets_of_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "canary")
    code = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(repr(dict(os.environ)))"
    notify(python(code, tmp_path / "seen"))
    seen = (tmp_path / "seen").read_text()
    assert "PATH" in seen
    assert "canary" not in seen


def test_notifier_names_a_program_that_can_not_be_started(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r'^program "nosuch-notifier" not found; install it, or give its full path$'):
        notify(CommandNotifier(command=["nosuch-notifier"]))  # type: ignore[arg-type]  # as read from TOML
    with pytest.raises(RuntimeError, match=r'^program "/.*" can\'t be started: Permission denied$'):
        notify(CommandNotifier(command=[str(tmp_path)]))  # type: ignore[arg-type]  # as read from TOML


def test_notifier_accepts_a_command_that_does_not_read() -> None:
    notify(python("import os; os.close(0)"), text="x" * 1_000_000)


@pytest.mark.parametrize("words", [[], "notify-send", ["notify-send", 5], [""], ["echo", "a\0b"], None])
def test_notifier_refuses_an_invalid_command_in_one_line(words: Any) -> None:
    with pytest.raises(ValueError, match=r"^command(\[\d\])?:? must be") as caught:
        build(CommandNotifier, {"command": words}, timezone="UTC", plugins=Registry())
    assert "\n" not in str(caught.value)


def test_command_notifier_module_offers_the_notifier() -> None:
    assert [cls.type for cls in command.rae_notifiers()] == ["command"]
