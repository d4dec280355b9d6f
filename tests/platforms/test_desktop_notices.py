"""The contract of screens: a notification service on a real bus, stand-ins of the programs of other platforms.

On macOS and Windows the screen of the platform itself takes the place of its stand-in.
"""

import asyncio
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import pytest

from rae_plugins.notifiers.desktop.notifier import make_screen
from rae_plugins.notifiers.desktop.screen import MessageScreen, ScreenMessage

ODD = ScreenMessage(
    title="-e \"$(touch x)\" \\ 'grüße' %s", body='line 1\nline "2" `x` $HOME %PATH% <b>&', is_urgent=True
)
SHOW_SECONDS = 30.0

SCREENS = ["darwin", "win32", "linux"]
REAL = sys.platform if sys.platform in ("darwin", "win32") else "linux"
PROGRAMS = {"darwin": "osascript", "win32": "powershell"}

STAND_IN = """#!{python}
import json, os, sys, time
names = ("RAE_TITLE", "RAE_BODY")
given = {{"script": sys.stdin.read(), **{{name: os.environ.get(name) for name in names}}}}
with open({record!r}, "a") as file:
    file.write(json.dumps(given) + "\\n")
how = open({how!r}).read()
if how == "hang":
    time.sleep(600)
if how == "fail":
    sys.exit("no permission")
"""


class Desktop(Protocol):
    """A screen, and what a person who looks at it would see; None where a test can't look."""

    screen: MessageScreen

    def read(self) -> list[tuple[str, str]] | None:
        """Return title and body of each message."""
        ...

    def break_so(self, how: str) -> None:
        """Have it "fail", "hang" or be "missing" from now on."""
        ...


class ScriptDesktop:
    """A program of macOS or Windows as a script that keeps what it is given."""

    def __init__(self, platform: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._platform = platform
        self._program, self._record, self._how = folder / PROGRAMS[platform], folder / "record", folder / "how"
        self._how.write_text("")
        text = STAND_IN.format(python=sys.executable, record=str(self._record), how=str(self._how))
        self._program.write_text(text)
        self._program.chmod(self._program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder))
        self.screen = make_screen(platform)

    def read(self) -> list[tuple[str, str]]:
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [self._read_one(json.loads(line)) for line in lines]

    def _read_one(self, given: dict[str, Any]) -> tuple[str, str]:
        if self._platform == "win32":
            return given["RAE_TITLE"], given["RAE_BODY"]
        # What AppleScript makes of its literals.
        body, title = given["script"].removeprefix('display notification "').split('" with title "')
        plain = [text.replace('\\"', '"').replace("\\\\", "\\") for text in (title.rpartition('"')[0], body)]
        return plain[0].removesuffix('" sound name "Basso'), plain[1]

    def break_so(self, how: str) -> None:
        if how == "missing":
            self._program.unlink()
        self._how.write_text(how)


class BusDesktop:
    """A notification service on a real bus."""

    def __init__(self, bus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bus, self._monkeypatch = bus, monkeypatch
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        bus.serve("notification_daemon", '{"capabilities": "body"}')
        self.screen = make_screen("linux")

    def read(self) -> list[tuple[str, str]]:
        from tests.support.mocked_bus import NOTIFICATIONS

        (calls,) = asyncio.run(self._bus.mock(NOTIFICATIONS, "GetMethodCalls", "s", "Notify"))
        return [(values[3].value, values[4].value) for _, values in calls]

    def break_so(self, how: str) -> None:
        if how == "missing":
            self._monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
        elif how == "hang":
            self._bus.freeze_service("notification_daemon")
        else:
            self._bus.stop_service("notification_daemon")


class OwnDesktop:
    """The screen of this platform, of which a test sees only that nothing fails."""

    def __init__(self) -> None:
        self.screen = make_screen(sys.platform)

    def read(self) -> None:
        return None

    def break_so(self, how: str) -> None:
        pytest.skip("the real screen is left as it is")


@pytest.fixture(params=SCREENS)
def desktop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desktop:
    if request.param == REAL and REAL != "linux":
        if OwnDesktop().screen.find_problem() is not None:
            pytest.skip("there is no desktop here")
        return OwnDesktop()
    if os.name == "nt":
        pytest.skip("the stand-ins are scripts with a first line")
    if request.param == "linux":
        if sys.platform != "linux":
            pytest.skip("the notification service is one of Linux")
        bus: Any = request.getfixturevalue("bus")
        return BusDesktop(bus, monkeypatch)
    return ScriptDesktop(request.param, tmp_path, monkeypatch)


if sys.platform == "linux":
    from tests.support.mocked_bus import bus

    __all__ = ["bus"]


def show(desktop: Desktop, message: ScreenMessage, seconds: float = SHOW_SECONDS) -> None:
    asyncio.run(desktop.screen.show(message, seconds))


def test_message_arrives_as_it_is(desktop: Desktop) -> None:
    assert desktop.screen.find_problem() is None
    show(desktop, ODD)
    assert desktop.read() in (None, [(ODD.title, ODD.body)])


def test_messages_come_one_after_the_other(desktop: Desktop) -> None:
    messages = [ScreenMessage(title=f"title {number}", body="body") for number in range(3)]
    for message in messages:
        show(desktop, message)
    assert desktop.read() in (None, [(message.title, message.body) for message in messages])


@pytest.mark.parametrize("how", ["fail", "missing"])
def test_failure_is_one_line_that_says_what_to_do(desktop: Desktop, how: str) -> None:
    desktop.break_so(how)
    with pytest.raises(RuntimeError) as failure:
        show(desktop, ODD)
    assert "\n" not in str(failure.value)
    assert ";" in str(failure.value) or "no permission" in str(failure.value)


def test_screen_that_hangs_is_given_up(desktop: Desktop) -> None:
    desktop.break_so("hang")
    started = time.monotonic()
    with pytest.raises((TimeoutError, RuntimeError)):
        show(desktop, ODD, seconds=1.0)
    assert time.monotonic() - started < SHOW_SECONDS


def test_missing_screen_is_known_beforehand(desktop: Desktop) -> None:
    desktop.break_so("missing")
    problem = desktop.screen.find_problem()
    assert problem is not None
    assert ";" in problem, "there is a remedy"
