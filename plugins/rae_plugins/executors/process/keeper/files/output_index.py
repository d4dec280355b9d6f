"""Index of an output: when its parts came, and from which stream, in a small file beside the output.

A line "OFFSET MILLISECONDS STREAM" says that what stands from an offset on came at that time (Unix time) or up to
`interval` later, from "o" (standard output), "e" (standard error) or "b" (both, in one pipe). Offsets count all bytes
that were written. The last line "= HEAD DROPPED NOTE" says where they are in a file whose middle was dropped: from
HEAD on there is a note of NOTE bytes instead of the DROPPED ones.

Most jobs print within a second of their start, and they get no such file: it costs them nothing but a look at the
clock. An entry is written at most once a second for each job, unless the stream changes. The interval doubles every
`ENTRIES_PER_INTERVAL` entries, so that a year of output has some ten thousand.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress

from rae_plugins.executors.process.keeper.files.spare_files import FILE_FLAGS

MIN_INTERVAL_SECONDS = 1.0
ENTRIES_PER_INTERVAL = 1_000

MAX_STREAM_CHANGES = 20_000
"""Number of changes between streams that are noted; what comes after them counts as both."""

BOTH, OUTPUT, ERROR = "b", "o", "e"


class OutputIndex:
    """Writes the index of one output, if it needs one. A disk that is full costs the index and nothing else."""

    def __init__(self, path: str, *, is_separate: bool, clock: Callable[[], float] = time.time) -> None:
        """Begin at the start of the job. `is_separate` says that standard error comes by itself."""
        self.path = path
        self.interval = MIN_INTERVAL_SECONDS
        self.is_separate = is_separate
        self._clock = clock
        self._noted_at = clock()
        self._stream = OUTPUT if is_separate else BOTH
        self._entries = 0
        self._changes = 0
        self._pending = f"0 {int(self._noted_at * 1000)} {self._stream}\n"

    def note(self, offset: int, *, is_error: bool) -> None:
        """Note that data comes now that is written at an offset."""
        now = self._clock()
        stream = self._stream
        if self.is_separate and (is_error is not (stream == ERROR)):
            stream = ERROR if is_error else OUTPUT
            self._changes += 1
            if self._changes > MAX_STREAM_CHANGES:
                self.is_separate, stream = False, BOTH
        if stream == self._stream and abs(now - self._noted_at) < self.interval:
            return
        self._noted_at, self._stream = now, stream
        self._entries += 1
        if self._entries % ENTRIES_PER_INTERVAL == 0:
            self.interval *= 2
        self._append(f"{self._pending}{offset} {int(now * 1000)} {stream}\n")
        self._pending = ""

    def close(self, head_bytes: int, dropped_bytes: int, note_bytes: int) -> None:
        """Write the last line, which maps the offsets to the final file."""
        if self._entries and dropped_bytes > 0:
            self._append(f"= {head_bytes} {dropped_bytes} {note_bytes}\n")

    def _append(self, text: str) -> None:
        with suppress(OSError):
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | FILE_FLAGS, 0o600)
            try:
                os.write(file, text.encode())
            finally:
                os.close(file)
