"""Idle time from an X server: its extension MIT-SCREEN-SAVER counts milliseconds since the last input.

Sources: X Window System Protocol X11R7.7, chapter 8 and appendix B; MIT-SCREEN-SAVER 1.1; Xau's file format.


Why the protocol is spoken here
===============================

A well-kept library beats our own code. libX11 is out: a server that goes away takes the process with it (its default is
to exit), and libXss is often not installed. python-xlib 0.33 was measured against this module with Xvfb (2026-11,
Python 3.11, two cores):

                                      this module      python-xlib
    import                            7 ms, 0.7 MB     16 ms, 1.8 MB; the first connection 17 ms and 1.6 MB more
    question, with its connection     0.7 ms           3.4 ms (it asks for all extensions and makes classes of them)
    server that stops, before or      given up, the    waits without end: it has no timeout, and a thread that waits
    after the greeting                socket closed    can't be ended
    server that ends meanwhile        said             an exception of its own
    cookie of the family "wild"       used             ignored, so that the server refuses
    torn authority file               no cookie        prints two lines to the daemon's standard output
    DISPLAY=:65000                    no X server      OverflowError
    server without the extension      said             AttributeError

The decisive point is the third. A stopped server would cost a thread and a connection for each question; here the event
loop gives the question up and closes the socket. `Display()` waits in its constructor, before its socket can be closed
from outside, so that only a process of its own would bound it.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from rae_plugins.machine.idle_source import IdleUnknown, is_wayland

_DISPLAY = re.compile(r"(?P<host>.*):(?P<number>\d{1,5})(?:\.\d+)?")
_COOKIE = b"MIT-MAGIC-COOKIE-1"
_EXTENSION = b"MIT-SCREEN-SAVER"
_LOCAL, _WILD = 256, 65535
_QUERY_EXTENSION = 98
_QUERY_INFO = 1
_ERROR, _REPLY, _GENERIC_EVENT = 0, 1, 35


async def x11(environment: Mapping[str, str]) -> tuple[float, str]:
    """Seconds since the last input, as the server of DISPLAY counts them."""
    display = environment.get("DISPLAY", "")
    if is_wayland(environment):
        raise IdleUnknown("under Wayland the X server sees only part of the input")
    found = _DISPLAY.fullmatch(display)
    if found is None:
        raise IdleUnknown("DISPLAY names no X server" if display else "DISPLAY is not set")
    host, number = found["host"].removeprefix("unix"), int(found["number"])
    try:
        reader, writer = await _connect(host, number)
    except OSError as error:
        raise IdleUnknown(f"no X server at {display} ({error.strerror or error})") from None
    try:
        cookie = await asyncio.to_thread(_cookie, environment, number)
        return await _ask(_Talk(reader, writer), cookie) / 1000, f"the X server {display}"
    except (asyncio.IncompleteReadError, struct.error, OSError):
        raise IdleUnknown(f"the X server {display} closed the connection") from None
    finally:
        writer.close()


async def _connect(host: str, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if host:
        return await asyncio.open_connection(host, 6000 + number)
    path = f"/tmp/.X11-unix/X{number}"  # noqa: S108 - where X servers listen
    try:
        return await asyncio.open_unix_connection(path)
    except FileNotFoundError:
        return await asyncio.open_unix_connection("\0" + path)


def _cookie(environment: Mapping[str, str], number: int) -> bytes:
    """Return the secret of a display from the user's file, or b"": the server may need none."""
    path = environment.get("XAUTHORITY") or Path.home() / ".Xauthority"
    try:
        entries = list(_entries(Path(path).read_bytes()))
    except (OSError, struct.error):
        return b""
    host = socket.gethostname().encode()
    for family, address, display, name, data in entries:
        is_here = family == _WILD or (family == _LOCAL and address == host) or family not in (_WILD, _LOCAL)
        if name == _COOKIE and is_here and display in (b"", str(number).encode()):
            return data
    return b""


def _entries(content: bytes) -> Iterator[tuple[int, bytes, bytes, bytes, bytes]]:
    offset = 0
    while offset < len(content):
        (family,) = struct.unpack_from(">H", content, offset)
        offset += 2
        texts = []
        for _ in range(4):
            (length,) = struct.unpack_from(">H", content, offset)
            texts.append(content[offset + 2 : offset + 2 + length])
            offset += 2 + length
        address, display, name, data = texts
        yield family, address, display, name, data


@frozen
class _Talk:
    """A connection that speaks little endian, whatever the machine does."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def root(self, cookie: bytes) -> int:
        """Greet; returns the id of the first screen's root window."""
        name = _COOKIE if cookie else b""
        hello = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie))
        self.writer.write(hello + _padded(name) + _padded(cookie))
        status, reason_length, length = struct.unpack("<BBxxxxH", await self.reader.readexactly(8))
        rest = await self.reader.readexactly(4 * length)
        if status != 1:
            reason = rest[:reason_length].decode("latin-1").strip() or "the user's cookie is missing"
            raise IdleUnknown(f"the X server refuses the connection: {reason}")
        vendor_length, formats = struct.unpack_from("<16xH3xB", rest)
        (root,) = struct.unpack_from("<I", rest, 32 + _pad(vendor_length) + 8 * formats)
        return int(root)

    async def reply(self, request: bytes) -> bytes:
        """Return the server's reply to a request, without events."""
        self.writer.write(request)
        while True:
            head = await self.reader.readexactly(32)
            if head[0] == _ERROR:
                raise IdleUnknown(f"the X server answers with error {head[1]}")
            more = 4 * struct.unpack_from("<I", head, 4)[0] if head[0] in (_REPLY, _GENERIC_EVENT) else 0
            body = await self.reader.readexactly(more)
            if head[0] == _REPLY:
                return head + body


async def _ask(talk: _Talk, cookie: bytes) -> int:
    root = await talk.root(cookie)
    length = 2 + _pad(len(_EXTENSION)) // 4
    question = struct.pack("<BxHHxx", _QUERY_EXTENSION, length, len(_EXTENSION)) + _padded(_EXTENSION)
    present, opcode = struct.unpack_from("<8xBB", await talk.reply(question))
    if not present:
        raise IdleUnknown("the X server has no screen saver extension")
    answer = await talk.reply(struct.pack("<BBHI", opcode, _QUERY_INFO, 2, root))
    (idle,) = struct.unpack_from("<16xI", answer)
    return int(idle)


def _pad(length: int) -> int:
    return (length + 3) // 4 * 4


def _padded(text: bytes) -> bytes:
    return text.ljust(_pad(len(text)), b"\0")
