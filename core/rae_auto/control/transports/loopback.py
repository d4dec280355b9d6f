"""A port of the loopback interface, with a file that only its owner may read.

The file has the port and a token, new for each start. The kernel says nothing about the peers of such a port, so both
ends prove that they know the token (`handshake`).
"""

import contextlib
import json
import os
import secrets
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from rae_auto.control.transports.contract import HANDSHAKE_TIMEOUT_SECONDS
from rae_auto.control.transports.handshake import MAX_LINE_BYTES, ClientHandshake, HandshakeFailed, ServerHandshake
from rae_auto.errors import StoreError
from rae_auto.platforms.file_rights import file_rights
from rae_auto.toolkit.files import open_for_reading, write_atomically

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

HOST = "127.0.0.1"
TOKEN_BYTES = 32
MAX_FILE_BYTES = 4096


class ControlFile(NamedTuple):
    """The content of the file."""

    port: int
    token: str


class LoopbackTransport:
    """The transport of Windows; it works on each platform."""

    max_path_bytes: int | None = None

    def path(self, directory: Path) -> Path:
        """Return the file with port and token."""
        return directory / "control.port"

    def listen(self, path: Path, backlog: int) -> "LoopbackListener":
        """Listen at a free port and write the file. Errors: StoreError."""
        _refuse_other_file(path)
        # asyncio sends at once what is written (TCP_NODELAY) only where the protocol is named.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if (exclusive := getattr(socket, "SO_EXCLUSIVEADDRUSE", None)) is not None:
                # Windows lets others bind a port that is in use, unless its owner objects.
                listening.setsockopt(socket.SOL_SOCKET, exclusive, 1)
            listening.bind((HOST, 0))
            listening.listen(backlog)
            control_file = ControlFile(listening.getsockname()[1], secrets.token_hex(TOKEN_BYTES))
            write_atomically(path, json.dumps(control_file._asdict()).encode())
        except OSError as error:
            listening.close()
            raise StoreError(f"{path}: can't create the control port ({error.strerror or error})") from error
        return LoopbackListener(listening, path, control_file.token)

    def connect(self, path: Path, timeout: float | None) -> socket.socket:
        """Connect, and prove that this is the owner. Errors: OSError."""
        control_file = read_control_file(path)
        connection = socket.create_connection((HOST, control_file.port), HANDSHAKE_TIMEOUT_SECONDS)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handshake = ClientHandshake(control_file.token)
            connection.sendall(handshake.hello())
            connection.sendall(handshake.answer(_receive_line(connection)))
        except BaseException:
            connection.close()
            raise
        connection.settimeout(timeout)
        return connection

    async def open_connection(self, path: Path, limit: int) -> "tuple[StreamReader, StreamWriter]":
        """Connect, and prove that this is the owner. Errors: OSError."""
        import asyncio  # lazy: start-up

        control_file = read_control_file(path)
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, control_file.port, limit=limit)
            try:
                handshake = ClientHandshake(control_file.token)
                writer.write(handshake.hello())
                writer.write(handshake.answer(await reader.readline()))
            except BaseException as error:
                writer.close()
                if isinstance(error, ValueError):
                    raise HandshakeFailed("the program that listens is not the daemon") from error
                raise
        return reader, writer


class LoopbackListener:
    """A bound port, and its file."""

    def __init__(self, listening: socket.socket, path: Path, token: str) -> None:
        self.socket = listening
        self._path = path
        self._token = token

    @property
    def is_found(self) -> bool:
        """Return whether the file is still the one that leads to this port."""
        try:
            # Not by its inode, which a file system may give to the file of the next daemon.
            return read_control_file(self._path).token == self._token
        except OSError:
            return False

    async def admit(self, reader: "StreamReader", writer: "StreamWriter") -> bool:
        """Return whether the peer proves in time that it knows the token."""
        import asyncio

        handshake = ServerHandshake(self._token)
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_SECONDS):
                answer = handshake.answer(await _read_line(reader))
                if answer is None:
                    return False
                writer.write(answer)
                return handshake.is_proven(await _read_line(reader))
        except (OSError, TimeoutError):
            return False

    def peer_pid(self, writer: "StreamWriter") -> int | None:
        """Return None: to find the process of a port, all connections of the machine would have to be read."""
        return None

    def close(self) -> None:
        """Stop listening and remove the file, unless it is another daemon's by now."""
        self.socket.close()
        if self.is_found:
            # The next daemon replaces a file that can't be removed.
            with contextlib.suppress(OSError):
                self._path.unlink()


def read_control_file(path: Path) -> ControlFile:
    """Return the port and the token of a file.

    Errors: OSError, also for a file that isn't of a daemon, or whose token others can read.
    """
    with os.fdopen(open_for_reading(path), "rb") as file:
        if risk := file_rights().find_other_reader(path, os.fstat(file.fileno())):
            raise ConnectionError(f"{path} has the token of the daemon, and {risk}")
        return _parse(path, file)


def _parse(path: Path, file: BinaryIO) -> ControlFile:
    """Return what a file says. Errors: OSError."""
    try:
        document = json.loads(file.read(MAX_FILE_BYTES) or b"") if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else {}
        port, token = document["port"], document["token"]
    except (ValueError, TypeError, LookupError):
        port, token = None, None
    if not isinstance(port, int) or not 0 < port < 1 << 16 or not isinstance(token, str) or not token:
        raise ConnectionError(f"{path} is not the control file of a daemon")
    return ControlFile(port, token)


def _refuse_other_file(path: Path) -> None:
    """Raise StoreError if something is at the path that no daemon has put there."""
    try:
        if stat.S_ISREG(path.lstat().st_mode):
            with path.open("rb") as file:
                _parse(path, file)
            return
    except FileNotFoundError:
        return
    except OSError:
        pass
    raise StoreError(f"{path} exists and is not the control file of a daemon; remove it")


def _receive_line(connection: socket.socket) -> bytes:
    """Return one line, and not a byte more. Errors: OSError."""
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        line += byte
        if not byte or len(line) > MAX_LINE_BYTES:
            raise HandshakeFailed("the program that listens is not the daemon")
    return line


async def _read_line(reader: "StreamReader") -> bytes:
    """Return one line; what was received before its end, if it is too long or the connection is closed."""
    line = b""
    while not line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES:
        byte = await reader.read(1)
        line += byte
        if not byte:
            break
    return line
