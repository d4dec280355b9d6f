"""The Unix socket of the daemon: its rights, its peers, and what else may be at its path."""

import asyncio
import os
import socket
import stat
import struct
from pathlib import Path

import pytest
from tests.support.control_peer import Peer, identity, in_time
from tests.support.control_service import PING, PONG, served, serving
from tests.support.platforms import only_root, unix_sockets

from rae_auto import Scheduler
from rae_auto.control.peer import is_trusted_peer
from rae_auto.daemon.control_server import ControlServer
from rae_auto.errors import StoreError

pytestmark = unix_sockets

OTHER_USER = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.mark.requirement("S6")
def test_socket_is_private_whatever_the_umask(path):
    async def work(_connect, _server):
        return path.stat().st_mode

    before = os.umask(0)
    try:
        mode = served(path, work)
    finally:
        after = os.umask(before)
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode), after) == (True, 0o600, 0)


@pytest.mark.requirement("S4", "S6")
def test_state_directory_is_private(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)

    async def work():
        async with Scheduler(directory=state) as scheduler, serving(scheduler.directory / "control.sock"):
            return stat.S_IMODE(state.stat().st_mode)

    assert in_time(work) == 0o700


class Credentials:
    """A connection of which only the peer's user is known."""

    def __init__(self, uid: int) -> None:
        self.uid = uid

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option, size) == (socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.pack("3i", 1, self.uid, OTHER_USER)


@pytest.mark.requirement("S6")
@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="peers are known in another way there")
@pytest.mark.parametrize(("uid", "ours"), [(0, True), (1000, True), (1001, False), (OTHER_USER, False)])
def test_peer_must_be_the_owner_or_root(monkeypatch, uid, ours):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert is_trusted_peer(Credentials(uid)) is ours  # type: ignore[arg-type]  # as much of a socket as is asked


@pytest.mark.requirement("S6")
@only_root
def test_other_user_gets_no_answer_despite_open_files(path, monkeypatch):
    async def work(connect, _):
        path.chmod(0o666)
        path.parent.chmod(0o711)
        monkeypatch.chdir(path.parent)
        unbound = socket.socket(socket.AF_UNIX)
        os.seteuid(OTHER_USER)
        try:
            unbound.connect(path.name)
        finally:
            os.seteuid(0)
        peer = Peer(*await asyncio.open_unix_connection(sock=unbound))
        expected = await peer.exchange(PING)
        await peer.close()
        return expected, await (await connect()).exchange(PING)

    assert served(path, work) == (None, PONG)


@pytest.mark.requirement("S7")
def test_socket_of_a_dead_daemon_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def work(connect, _):
        return await (await connect()).exchange(PING)

    assert served(path, work) == PONG
    assert not path.exists()


def a_file(path: Path) -> None:
    path.write_text("mine")


def a_link_to_a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path.with_name("other")))
    path.symlink_to("other")


@pytest.mark.requirement("S7")
@pytest.mark.parametrize(
    "plant",
    [a_file, Path.mkdir, a_link_to_a_socket, lambda path: path.symlink_to("nowhere"), lambda path: os.mkfifo(path)],
)
def test_file_that_is_not_a_socket_is_left_in_place(path, plant):
    plant(path)
    before = identity(path)
    with pytest.raises(StoreError, match=r"control.sock exists and is not a socket; remove it"):
        in_time(lambda: ControlServer({}).start(path))
    assert identity(path) == before


def test_socket_path_that_is_too_long_is_reported_in_one_line(tmp_path):
    path = tmp_path / ("x" * 120)
    with pytest.raises(StoreError, match="path too long") as refused:
        in_time(lambda: ControlServer({}).start(path))
    assert str(refused.value).startswith(f"{path}: ")
    assert str(refused.value).isprintable()
    assert not path.exists()
