"""What a job prints: read from its pipe, its secrets masked, kept in a file of bounded size."""

import os


class Output:
    """The beginning and the end of what a job prints, in a file; the middle gives way when it gets too much."""

    def __init__(self, file: int, cap: int, hide: list[str]) -> None:
        """`file` is open for reading and writing, and closed by `finish`."""
        self.file = file
        self.head = cap // 2
        self.ring = cap - self.head
        self.read = 0
        self.hidden = [value.encode() for value in hide]
        self.pending = b""

    def take(self, data: bytes) -> None:
        """Keep what belongs to the head, and let the rest go round in a ring behind it."""
        if self.hidden:
            data = self._masked(data)
        if self.read < self.head:
            part = data[: self.head - self.read]
            os.pwrite(self.file, part, self.read)
            self.read += len(part)
            data = data[len(part) :]
        if not self.ring:
            self.read += len(data)
            return
        for start in range(0, len(data), self.ring):
            part = data[start : start + self.ring]
            at = (self.read - self.head) % self.ring
            first = part[: self.ring - at]
            os.pwrite(self.file, first, self.head + at)
            os.pwrite(self.file, part[len(first) :], self.head)
            self.read += len(part)

    def _masked(self, data: bytes) -> bytes:
        """Known secrets blacked out, also where one is cut by the edge of a chunk: what may be its beginning waits."""
        data = self.pending + data
        for value in self.hidden:
            data = data.replace(value, b"***")
        keep = max(
            (size for value in self.hidden for size in range(1, len(value)) if data.endswith(value[:size])), default=0
        )
        self.pending = data[len(data) - keep :]
        return data[: len(data) - keep]

    def finish(self) -> None:
        """Put the ring in order, with a line about what is missing before it."""
        try:
            if self.pending:
                rest, self.hidden = self.pending, []
                self.take(rest)
            dropped = self.read - self.head - self.ring
            if dropped > 0:
                at = (self.read - self.head) % self.ring if self.ring else 0
                end = os.pread(self.file, self.ring - at, self.head + at) + os.pread(self.file, at, self.head)
                note = b"\n[rae-auto: %d bytes left out]\n" % dropped
                os.pwrite(self.file, note + end, self.head)
        finally:
            os.close(self.file)
