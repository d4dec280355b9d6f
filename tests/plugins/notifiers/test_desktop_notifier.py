"""The desktop notifier: on a real bus with a mocked notification service, and against stand-ins of other platforms."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.support.daemons import Daemons
from tests.support.mocked_bus import NOTIFICATIONS, MockedBus, bus
from tests.support.waiting import eventually

from rae_auto.api import Notifier
from rae_auto.model.policies import NotifyOn
from rae_auto.testing.notifiers import NOTICE, NotifierConformance
from rae_plugins.notifiers.desktop import DesktopNotifier
from rae_plugins.notifiers.desktop.notifier import make_message, make_screen
from rae_plugins.notifiers.desktop.screen import ScreenMessage

__all__ = ["bus"]

posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are scripts with a first line")


@pytest.fixture
def desktop(bus: MockedBus, monkeypatch: pytest.MonkeyPatch) -> MockedBus:
    """A session bus with a notification service that has buttons and markup."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
    bus.serve("notification_daemon", '{"capabilities": "body body-markup actions"}')
    return bus


def read_messages(bus: MockedBus) -> list[dict[str, Any]]:
    """Return what the service was asked to show."""
    (calls,) = asyncio.run(bus.mock(NOTIFICATIONS, "GetMethodCalls", "s", "Notify"))
    names = ("app", "replaces", "icon", "title", "body", "actions", "hints", "expires")
    return [dict(zip(names, (value.value for value in values), strict=True)) for _, values in calls]


class TestDesktopConforms(NotifierConformance):
    @pytest.fixture
    def plugin(self, desktop: MockedBus) -> Notifier:
        return DesktopNotifier()

    @pytest.fixture
    def read(self, desktop: MockedBus) -> Callable[[], list[str]]:
        return lambda: [message["title"] for message in read_messages(desktop)]

    @pytest.fixture
    def failing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notifier:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
        return DesktopNotifier()


def notify(notifier: Notifier, **changes: Any) -> None:
    asyncio.run(notifier.notify(attrs.evolve(NOTICE, **changes)))


def test_message_has_facts_and_output_without_markup(desktop: MockedBus) -> None:
    notify(DesktopNotifier(), host="attic", failures=2, output="a\nb\nc\nd\n<b>5 & 6</b>", state_directory="/state")
    notify(DesktopNotifier(), kind=NotifyOn.RECOVERY)
    first, second = read_messages(desktop)
    assert first["title"] == "[attic] backup failed: exit code 3"
    body = "exit code: 3\nfailures in a row: 2\nb\nc\nd\n&lt;b&gt;5 &amp; 6&lt;/b&gt;"
    assert first["body"] == body
    assert first["actions"] == ["output", "Show output", "again", "Run again"]
    assert (first["hints"]["urgency"].value, second["hints"]["urgency"].value) == (2, 1)


def test_service_without_buttons_is_offered_none(bus: MockedBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
    bus.serve("notification_daemon", '{"capabilities": "body"}')
    notify(DesktopNotifier(), output="<b>", state_directory="/state")
    (message,) = read_messages(bus)
    assert message["actions"] == []
    assert message["body"].endswith("<b>")


def test_missing_desktop_is_named_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    (line,) = DesktopNotifier().problems(tmp_path) if sys.platform == "linux" else ("session bus; log in to a desktop",)
    assert "session bus" in line
    assert "; log in to a desktop" in line


def test_bus_without_a_service_is_reported(bus: MockedBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
    with pytest.raises(
        RuntimeError, match=r"no message can be shown .*; log in to a desktop, or install a notification"
    ):
        notify(DesktopNotifier())


JOB = """
[notifiers.screen]
type = "desktop"

[jobs.fails]
command = ["sh", "-c", "echo broken; exit 3"]
notify = { on = ["failure"] }
"""


def test_buttons_show_the_output_and_run_the_job_again(
    desktop: MockedBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\ncat "$1" > {tmp_path}/opened.part\nmv {tmp_path}/opened.part {tmp_path}/opened\n')
    opener.chmod(0o755)
    monkeypatch.setenv("PATH", f"{opener.parent}:{os.environ['PATH']}")
    d = Daemons(tmp_path, JOB)
    try:
        d.serve()
        d.ask("trigger", job="fails")
        eventually(lambda: len(read_messages(desktop)) == 1)
        asyncio.run(desktop.emit(NOTIFICATIONS, "ActionInvoked", "us", 1, "output"))
        eventually((tmp_path / "opened").exists)
        assert (tmp_path / "opened").read_text() == "broken\n"
        d.ask("trigger", job="fails")
        eventually(lambda: len(read_messages(desktop)) == 2)
        asyncio.run(desktop.emit(NOTIFICATIONS, "ActionInvoked", "us", 2, "again"))
        eventually(lambda: len(d.ask("history", job="fails", states=["failed"])) == 3)
    finally:
        d.end()


MESSAGE = ScreenMessage(title="-e \"$(touch x)\" \\ 'grüße'", body='line 1\nline "2" `x` %s', is_urgent=True)
SCREENS = {"darwin": "osascript", "win32": "powershell"}


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], Path]:
    """Make a program that keeps what it was given, and ends with an exit code."""

    def make(name: str, code: int = 0) -> Path:
        program, record = tmp_path / name, tmp_path / "record"
        lines = [
            f"#!{sys.executable}",
            "import json, os, sys",
            "given = [sys.argv[1:], sys.stdin.read(), os.environ.get('RAE_TITLE'), os.environ.get('RAE_BODY')]",
            f"json.dump(given, open({str(record)!r}, 'w'))",
            "print('no permission', file=sys.stderr)",
            f"sys.exit({code})",
        ]
        program.write_text("\n".join(lines))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path))
        return record

    return make


@posix
@pytest.mark.requirement("S22")
@pytest.mark.parametrize("platform", SCREENS)
def test_script_gets_the_message_as_data(stand_in: Any, platform: str) -> None:
    record = stand_in(SCREENS[platform])
    asyncio.run(make_screen(platform).show(MESSAGE, 30))
    arguments, script, title, body = json.loads(record.read_text())
    assert not any("touch" in argument for argument in arguments)
    if platform == "win32":
        assert (title, body) == (MESSAGE.title, MESSAGE.body)
        assert "touch" not in script
    else:
        title = '"-e \\"$(touch x)\\" \\\\ \'grüße\'"'
        assert script == f'display notification "line 1\nline \\"2\\" `x` %s" with title {title} sound name "Basso"\n'


@posix
@pytest.mark.parametrize("platform", SCREENS)
def test_script_that_fails_is_reported(stand_in: Any, platform: str) -> None:
    stand_in(SCREENS[platform], 1)
    screen = make_screen(platform)
    with pytest.raises(RuntimeError, match=f'"{SCREENS[platform]}" failed with exit code 1: no permission'):
        asyncio.run(screen.show(MESSAGE, 30))


@posix
@pytest.mark.parametrize("platform", SCREENS)
def test_missing_script_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    screen = make_screen(platform)
    assert SCREENS[platform] in (screen.find_problem() or "")
    with pytest.raises(RuntimeError, match=f'"{SCREENS[platform]}" can\'t be started'):
        asyncio.run(screen.show(MESSAGE, 30))


@posix
def test_script_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "osascript"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(TimeoutError):
        asyncio.run(make_screen("darwin").show(MESSAGE, timedelta(seconds=0.3).total_seconds()))


def test_message_of_gathered_notices_lists_them() -> None:
    message = make_message(attrs.evolve(NOTICE, text="2 notices", notices=(NOTICE, NOTICE)), has_actions=True)
    assert message.body.startswith(f"{NOTICE.text}\n{NOTICE.text}")
    assert message.actions == {}
