"""Idle time: of a real X server, of services on a real bus, and of other systems by what they would say."""

import asyncio
import ctypes
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import BusType, PropertyAccess
from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property
from tests.support.packages import need
from tests.support.waiting import eventually

from rae_plugins.machine import idle
from rae_plugins.machine.idle import Idle, read_idle

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what can be started here are things of Linux")


@pytest.fixture(autouse=True)
def _no_desktop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test decides what there is."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "DBUS_SESSION_BUS_ADDRESS", "XAUTHORITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'no-system-bus'}")


def read() -> Idle:
    return asyncio.run(read_idle())


@contextmanager
def x_server(*options: str) -> Iterator[str]:
    """An X server without a screen to see; gives its display."""
    need({"Xvfb": "xvfb"})
    ours, its = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(its), "-screen", "0", "320x200x24", "-nolisten", "tcp", "-noreset", *options],
        pass_fds=(its,),
        stderr=subprocess.DEVNULL,
    )
    os.close(its)
    try:
        with os.fdopen(ours) as output:
            number = output.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


def test_input_to_an_x_server_resets_the_idle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    need({"xdotool": "xdotool"})
    with x_server() as display:
        monkeypatch.setenv("DISPLAY", display)
        before = eventually(lambda: (found := read()).seconds and found.seconds > 0.3 and found)
        assert before.reason == f"the X server {display}"
        began = time.monotonic()
        subprocess.run(["xdotool", "mousemove_relative", "30", "20"], check=True)
        after = read()
        assert after.seconds is not None
        # Without the input it would be what it was before and the time since.
        assert after.seconds < time.monotonic() - began + 0.1
        monkeypatch.setenv("DISPLAY", f"unix{display}.0")
        assert read().seconds is not None


MAGIC = b"MIT-MAGIC-COOKIE-1"


def authority(path: Path, number: str, cookie: bytes, *, family: int = 256, name: bytes = MAGIC) -> None:
    texts = (socket.gethostname().encode(), number.encode(), name, cookie)
    packed = b"".join(struct.pack(">H", len(text)) + text for text in texts)
    path.write_bytes(struct.pack(">H", family) + packed)


def test_an_x_server_that_wants_a_cookie_gets_that_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cookie, wanted = bytes(range(16)), tmp_path / "server"
    authority(wanted, "", cookie)
    with x_server("-auth", str(wanted)) as display:
        monkeypatch.setenv("DISPLAY", display)
        refused = read()
        assert refused.seconds is None
        assert "refuses the connection" in refused.reason
        authority(tmp_path / ".Xauthority", display[1:], cookie)
        assert read().seconds is not None
        monkeypatch.setenv("XAUTHORITY", str(tmp_path / "other"))
        for family, name, number in ((65535, MAGIC, ""), (256, b"OTHER", ""), (256, MAGIC, "99999")):
            authority(tmp_path / "other", number, cookie, family=family, name=name)
            assert (read().seconds is not None) == (family == 65535)
        (tmp_path / "other").write_bytes(b"\1\0\0")
        assert read().seconds is None


def test_x_server_without_the_extension_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    with x_server("-extension", "MIT-SCREEN-SAVER") as display:
        monkeypatch.setenv("DISPLAY", display)
        found = read()
    assert found.seconds is None
    assert "no screen saver extension" in found.reason


def test_under_wayland_x_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert "under Wayland" in read().reason


@pytest.mark.parametrize(
    ("display", "words"),
    [
        ("", "DISPLAY is not set"),
        ("nonsense", "names no X server"),
        (":65000", "no X server at :65000"),
        ("127.0.0.1:59000", "no X"),
    ],
)
def test_without_an_x_server_it_says_so(display: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    found = read()
    assert found.seconds is None
    assert words in found.reason
    assert "\n" not in found.reason


@pytest.mark.parametrize("result", ["nothing", "goodbye", "nonsense"])
def test_one_that_is_none_is_passed_over(result: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "REPLY_TIMEOUT_SECONDS", 0.2)

    async def scene() -> Idle:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if result == "nonsense":
                    await reader.read(12)
                    writer.write(b"\1" * 300)
                if result == "nothing":
                    await reader.read()
            finally:
                writer.close()
                await asyncio.gather(writer.wait_closed(), return_exceptions=True)
                ended.set()

        ended = asyncio.Event()
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("DISPLAY", f"127.0.0.1:{port - 6000}")
        try:
            return await read_idle()
        finally:
            server.close()
            await ended.wait()

    found = asyncio.run(scene())
    assert found.seconds is None
    assert "no answer" in found.reason if result == "nothing" else "closed the connection" in found.reason


class IdleMonitor(ServiceInterface):
    """A stand-in for GNOME's compositor."""

    def __init__(self, milliseconds: int) -> None:
        super().__init__("org.gnome.Mutter.IdleMonitor")
        self.milliseconds = milliseconds

    @dbus_method()
    def GetIdletime(self) -> "t":  # type: ignore[name-defined]  # noqa: F821 - a signature of D-Bus
        return self.milliseconds


class ScreenSaver(ServiceInterface):
    """A stand-in for KDE's screen locker."""

    def __init__(self, milliseconds: int) -> None:
        super().__init__("org.freedesktop.ScreenSaver")
        self.milliseconds = milliseconds

    @dbus_method()
    def GetSessionIdleTime(self) -> "u":  # type: ignore[name-defined]  # noqa: F821 - a signature of D-Bus
        return self.milliseconds


class Session(ServiceInterface):
    """A stand-in for a session of logind."""

    def __init__(self, is_idle: bool, since: int) -> None:
        super().__init__("org.freedesktop.login1.Session")
        self.is_idle, self.since = is_idle, since

    @dbus_property(access=PropertyAccess.READ)
    def IdleHint(self) -> "b":  # type: ignore[name-defined]  # noqa: F821 - a signature of D-Bus
        return self.is_idle

    @dbus_property(access=PropertyAccess.READ)
    def IdleSinceHintMonotonic(self) -> "t":  # type: ignore[name-defined]  # noqa: F821 - a signature of D-Bus
        return self.since


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bus of our own, which is both that of the session and that of the system; gives its address."""
    need({"dbus-daemon": "dbus"})
    config = tmp_path / "bus.conf"
    config.write_text(
        f"""<busconfig><listen>unix:path={tmp_path}/private</listen><policy context="default">
        <allow send_destination="*"/><allow own="*"/><allow user="*"/><allow eavesdrop="true"/>
        </policy></busconfig>"""
    )
    daemon = subprocess.Popen(
        ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True
    )
    assert daemon.stdout is not None
    address = daemon.stdout.readline().strip()
    for name in ("DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"):
        monkeypatch.setenv(name, address)
    yield address
    daemon.terminate()
    daemon.wait()
    daemon.stdout.close()


@asynccontextmanager
async def serving(address: str, name: str, path: str, interface: ServiceInterface) -> AsyncIterator[None]:
    bus = await MessageBus(bus_address=address, bus_type=BusType.SESSION).connect()
    bus.export(path, interface)
    await bus.request_name(name)
    try:
        yield
    finally:
        bus.disconnect()
        await bus.wait_for_disconnect()


def read_with(address: str, *services: tuple[str, str, ServiceInterface]) -> Idle:
    async def scene() -> Idle:
        async with asyncio.timeout(30):
            async with AsyncExitStack() as stack:
                for service in services:
                    await stack.enter_async_context(serving(address, *service))
                return await read_idle()

    return asyncio.run(scene())


def gnome(milliseconds: int) -> tuple[str, str, ServiceInterface]:
    return ("org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core", IdleMonitor(milliseconds))


def kde(milliseconds: int) -> tuple[str, str, ServiceInterface]:
    return ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", ScreenSaver(milliseconds))


def logind(is_idle: bool, seconds_ago: float | None) -> tuple[str, str, ServiceInterface]:
    since = 0 if seconds_ago is None else int((time.monotonic() - seconds_ago) * 1e6)
    return ("org.freedesktop.login1", "/org/freedesktop/login1/session/auto", Session(is_idle, since))


def test_gnome_comes_before_the_other_sources(bus: str) -> None:
    assert read_with(bus, gnome(90_500), kde(1000)) == Idle(90.5, "GNOME's compositor")


def test_kde_idle_time_is_in_milliseconds(bus: str) -> None:
    assert read_with(bus, kde(61_000), logind(True, 5)) == Idle(61.0, "the screen saver")
    assert read_with(bus, kde(0)) == Idle(0.0, "the screen saver")


def test_the_zero_that_kde_says_on_wayland_is_no_answer(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_SESSION_TYPE", "wayland")
    found = read_with(bus, kde(0))
    assert found.seconds is None
    assert "on Wayland means unknown" in found.reason


def test_logind_comes_last(bus: str) -> None:
    found = read_with(bus, logind(True, 300))
    assert found.reason == "logind"
    assert found.seconds is not None
    assert 300 <= found.seconds < 330
    assert read_with(bus, logind(False, 300)) == Idle(0.0, "logind")


def test_idle_hint_that_was_never_set_is_ignored(bus: str) -> None:
    found = read_with(bus, logind(False, None))
    assert found.seconds is None
    assert "no desktop reports to logind" in found.reason


def test_bus_without_services_gives_the_reason(bus: str) -> None:
    found = read()
    assert found.seconds is None
    assert "org.gnome.Mutter.IdleMonitor responded" in found.reason
    assert "org.freedesktop.login1 responded" in found.reason


def test_the_bus_of_the_session_is_found_where_sessions_have_it(
    bus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    (tmp_path / "bus").symlink_to(tmp_path / "private")
    assert read_with(bus, gnome(2000)).seconds == 2.0


def test_a_bus_that_never_answers_is_given_up_and_left_behind_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "REPLY_TIMEOUT_SECONDS", 0.1)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'silent'}")
        before = len(os.listdir("/proc/self/fd"))
        found = read()
        assert "mutter: no answer within 0.1 s; screen_saver: no answer" in found.reason
        assert len(os.listdir("/proc/self/fd")) == before


def test_no_bus_at_all_is_no_answer_and_said_once() -> None:
    found = read()
    assert found.seconds is None
    assert "no session bus" in found.reason
    assert "no system bus at" in found.reason
    assert found.reason.count("no session bus") == 1


def test_a_bus_that_refuses_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no-socket").touch()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'no-socket'}")
    assert "Connection refused" in read().reason


def test_whatever_a_source_does_it_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> tuple[float, str]:
        raise RuntimeError("several\nlines")

    monkeypatch.setattr(idle, "list_idle_sources", lambda: (broken,))
    assert read() == Idle(None, "broken: several lines")


class Windows:
    """The two calls, as they would answer."""

    def __init__(self, ticks: int, last: int, works: bool = True) -> None:
        self.user32 = self.kernel32 = self
        self.ticks, self.last, self.works = ticks, last, works

    def GetLastInputInfo(self, info: Any) -> int:
        size, _ = info._obj
        assert size == ctypes.sizeof(info._obj) == 8
        info._obj[1] = self.last
        return int(self.works)

    def GetTickCount(self) -> int:
        return self.ticks


@pytest.mark.parametrize(("ticks", "last", "seconds"), [(90_500, 500, 90.0), (1_000, 2**32 - 1_000, 2.0)])
def test_windows_counts_in_ticks_that_wrap(
    ticks: int, last: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", Windows(ticks, last), raising=False)
    assert read() == Idle(seconds, "Windows")


def test_windows_idle_time_is_unknown_to_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", Windows(1, 1, works=False), raising=False)
    assert read().seconds is None


def test_macos_is_asked_for_any_kind_of_input(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    class Services:
        def __init__(self, path: str) -> None:
            assert "ApplicationServices" in path

            def since(state: int, kind: int) -> float:
                asked.append((state, kind))
                return 12.5

            self.CGEventSourceSecondsSinceLastEventType: Callable[[int, int], float] = since

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", Services)
    assert read() == Idle(12.5, "macOS")
    assert asked == [(1, 0xFFFFFFFF)]


def test_importing_it_is_cheap() -> None:
    code = "import sys, rae_plugins.machine.idle; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"dbus_fast", "ctypes"}.isdisjoint(modules)
