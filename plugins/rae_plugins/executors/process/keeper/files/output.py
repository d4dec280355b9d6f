"""Output of a job: read from its pipe, its secrets masked, kept in a file of bounded size.

The file is a head of `cap // 2` bytes, and behind it a ring of the rest. The head holds the beginning of the output.
What follows goes round in the ring, so that the file always holds the beginning and the newest bytes, and never more
than the cap. `close` unrolls the ring in place and puts a line between the two that says how much is missing. After a
crash of the keeper the ring stays rolled up: its bytes are all there, in the wrong order.
"""

import os

from rae_plugins.executors.process.keeper.files.output_index import OutputIndex

MASK = b"***"

MAX_ERROR_BYTES = 500
"""The part of standard error that is kept to find its first line."""


def write_at(file: int, data: bytes, offset: int) -> None:
    """Write all bytes at an offset, as pwrite(2) does, which Windows lacks."""
    while data:
        # Where only some fit, the disk says so of the rest alone.
        if hasattr(os, "pwrite"):
            written = os.pwrite(file, data, offset)
        else:
            os.lseek(file, offset, os.SEEK_SET)
            written = os.write(file, data)
        data, offset = data[written:], offset + written


def read_at(file: int, size: int, offset: int) -> bytes:
    """Read bytes at an offset, as pread(2) does, which Windows lacks."""
    if hasattr(os, "pread"):
        return os.pread(file, size, offset)
    os.lseek(file, offset, os.SEEK_SET)
    return os.read(file, size)


class CappedOutput:
    """The beginning and the end of what a job prints, in a file; the middle is dropped when it gets too long."""

    def __init__(self, file: int, cap: int, hide: list[str], index: OutputIndex | None = None) -> None:
        """Write to the descriptor `file`, open for reading and writing; `close` closes it."""
        self.file = file
        self.index = index
        self.head_bytes = cap // 2
        self.ring_bytes = cap - self.head_bytes
        self.written_bytes = 0
        self.secrets = [value.encode() for value in hide]
        self.pending = {False: b"", True: b""}
        """Held back of each stream, because it may be the beginning of a secret."""
        self.error_start: bytes | None = None
        """The beginning of what was written to standard error, if that comes by itself."""

    def write(self, data: bytes, *, is_error: bool = False) -> None:
        """Keep what fits into the head, and write the rest into the ring behind it."""
        if self.secrets:
            data = self._mask(data, is_error)
        if self.index is not None and data:
            self.index.note(self.written_bytes, is_error=is_error)
        if is_error:
            self.error_start = ((self.error_start or b"") + data)[:MAX_ERROR_BYTES]
        if self.written_bytes < self.head_bytes:
            part = data[: self.head_bytes - self.written_bytes]
            write_at(self.file, part, self.written_bytes)
            self.written_bytes += len(part)
            data = data[len(part) :]
        if not self.ring_bytes:
            self.written_bytes += len(data)
            return
        for start in range(0, len(data), self.ring_bytes):
            part = data[start : start + self.ring_bytes]
            at = (self.written_bytes - self.head_bytes) % self.ring_bytes
            first = part[: self.ring_bytes - at]
            write_at(self.file, first, self.head_bytes + at)
            write_at(self.file, part[len(first) :], self.head_bytes)
            self.written_bytes += len(part)

    def _mask(self, data: bytes, is_error: bool) -> bytes:
        """Mask known secrets, also where one spans two chunks: what may be the beginning of one is held back."""
        data = self.pending[is_error] + data
        for value in self.secrets:
            data = data.replace(value, MASK)
        held_back = max(
            (size for value in self.secrets for size in range(1, len(value)) if data.endswith(value[:size])), default=0
        )
        self.pending[is_error] = data[len(data) - held_back :]
        return data[: len(data) - held_back]

    def first_error_line(self) -> str | None:
        """Return the first line of standard error that isn't blank, "" if there is none, None if nothing came."""
        if self.error_start is None and not self.pending[True]:
            return None
        lines = (self.error_start or self.pending[True]).decode(errors="replace").split("\n")
        return next((line.strip() for line in lines if line.strip()), "")

    def close(self) -> None:
        """Put the ring in order, with a line about what is missing before it, and close the file."""
        try:
            self.secrets = []
            for is_error, rest in self.pending.items():
                if rest:
                    self.write(rest, is_error=is_error)
            dropped = self.written_bytes - self.head_bytes - self.ring_bytes
            if dropped > 0:
                at = (self.written_bytes - self.head_bytes) % self.ring_bytes if self.ring_bytes else 0
                older = read_at(self.file, self.ring_bytes - at, self.head_bytes + at)
                newer = read_at(self.file, at, self.head_bytes)
                unit = b"byte" if dropped == 1 else b"bytes"
                note = b"\n[rae-auto: %d %s omitted]\n" % (dropped, unit)
                write_at(self.file, note + older + newer, self.head_bytes)
                if self.index is not None:
                    self.index.close(self.head_bytes, dropped, len(note))
        finally:
            os.close(self.file)
