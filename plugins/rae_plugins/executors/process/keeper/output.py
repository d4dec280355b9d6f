"""Output of a job: read from its pipe, its secrets masked, kept in a file of bounded size.

The file is a head of `cap // 2` bytes, and behind it a ring of the rest. The head holds the beginning of the output.
What follows goes round in the ring, so that the file always holds the beginning and the newest bytes, and never more
than the cap. `close` unrolls the ring in place and puts a line between the two that says how much is missing. After a
crash of the keeper the ring stays rolled up: its bytes are all there, in the wrong order.
"""

import os

MASK = b"***"


class CappedOutput:
    """The beginning and the end of what a job prints, in a file; the middle is dropped when it gets too long."""

    def __init__(self, file: int, cap: int, hide: list[str]) -> None:
        """Write to the descriptor `file`, open for reading and writing; `close` closes it."""
        self.file = file
        self.head_bytes = cap // 2
        self.ring_bytes = cap - self.head_bytes
        self.written_bytes = 0
        self.secrets = [value.encode() for value in hide]
        self.pending = b""

    def write(self, data: bytes) -> None:
        """Keep what fits into the head, and write the rest into the ring behind it."""
        if self.secrets:
            data = self._mask(data)
        if self.written_bytes < self.head_bytes:
            part = data[: self.head_bytes - self.written_bytes]
            os.pwrite(self.file, part, self.written_bytes)
            self.written_bytes += len(part)
            data = data[len(part) :]
        if not self.ring_bytes:
            self.written_bytes += len(data)
            return
        for start in range(0, len(data), self.ring_bytes):
            part = data[start : start + self.ring_bytes]
            at = (self.written_bytes - self.head_bytes) % self.ring_bytes
            first = part[: self.ring_bytes - at]
            os.pwrite(self.file, first, self.head_bytes + at)
            os.pwrite(self.file, part[len(first) :], self.head_bytes)
            self.written_bytes += len(part)

    def _mask(self, data: bytes) -> bytes:
        """Mask known secrets, also where one spans two chunks: what may be the beginning of one is held back."""
        data = self.pending + data
        for value in self.secrets:
            data = data.replace(value, MASK)
        held_back = max(
            (size for value in self.secrets for size in range(1, len(value)) if data.endswith(value[:size])), default=0
        )
        self.pending = data[len(data) - held_back :]
        return data[: len(data) - held_back]

    def close(self) -> None:
        """Put the ring in order, with a line about what is missing before it, and close the file."""
        try:
            if self.pending:
                rest, self.secrets = self.pending, []
                self.write(rest)
            dropped = self.written_bytes - self.head_bytes - self.ring_bytes
            if dropped > 0:
                at = (self.written_bytes - self.head_bytes) % self.ring_bytes if self.ring_bytes else 0
                older = os.pread(self.file, self.ring_bytes - at, self.head_bytes + at)
                newer = os.pread(self.file, at, self.head_bytes)
                unit = b"byte" if dropped == 1 else b"bytes"
                note = b"\n[rae-auto: %d %s omitted]\n" % (dropped, unit)
                os.pwrite(self.file, note + older + newer, self.head_bytes)
        finally:
            os.close(self.file)
