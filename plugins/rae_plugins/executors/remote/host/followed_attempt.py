"""An attempt whose output and end are reported, from the files in its run directory."""

import base64
import os
import time
from collections.abc import Callable
from typing import Any

from rae_plugins.executors.remote.host.run_directory import RunDirectory

Message = dict[str, Any]
Report = Callable[[Message], None]

DATA_BYTES = 48 << 10
"""Bytes of output in one report."""

MAX_OUTPUT_BYTES_A_LOOK = 1 << 20
"""Bytes of output that are reported before others get their turn."""

FIRST_LOOK_SECONDS, MAX_LOOK_SECONDS = 0.01, 0.1
"""Bounds of the interval between looks at an attempt, which doubles while nothing happens."""


UNCLAIMED_SECONDS = 1.0
"""Interval between looks at an attempt whose state can't be found out."""


class Followed:
    """An attempt whose output and end are reported."""

    def __init__(self, directory: RunDirectory, run: str, offset: int) -> None:
        """Begin with the output behind `offset`."""
        self.directory = directory
        self.run = run
        self.offset = offset
        self.is_reported = False
        self.next_look = 0.0
        self.interval = FIRST_LOOK_SECONDS
        self.cap: int = directory.about().get("cap", 0)

    def look(self, report: Report, now: float) -> bool:
        """Report what is new; return whether that was the last of it."""
        token = self.directory.token
        # First, so that all output that came before the end is there.
        try:
            state = self.directory.find_state(self.run)
        except OSError:
            # On a full disk nothing can be claimed. What reports on all other attempts must not end with that.
            self.next_look = now + UNCLAIMED_SECONDS
            return False
        if not self.is_reported and state == "alive" and (record := self.directory.start_record()) is not None:
            self.is_reported = True
            report({"token": token, "alive": record, "age": self._read_age()})
        has_more: bool | str = self._send_output(report, state == "ended") if state != "never" else False
        self.interval = FIRST_LOOK_SECONDS if has_more else min(2 * self.interval, MAX_LOOK_SECONDS)
        self.next_look = now + self.interval
        if state == "alive" or has_more == "much":
            return False
        if state == "ended":
            index = _read_text(self.directory.index_path)
            report({"token": token, "ended": self.directory.exit_record(), "index": index, "age": self._read_age()})
        else:
            report({"token": token, state: True})
        return True

    def _read_age(self) -> float:
        """Return the seconds since it was started, by the clock of this machine alone."""
        try:
            return max(time.time() - os.stat(self.directory.start_path).st_mtime, 0.0)
        except OSError:
            return 0.0

    def _send_output(self, report: Report, is_ended: bool) -> bool | str:
        """Report output; return whether there was some, and "much" if there is more.

        Up to its cap the file only grows. Behind it the keeper goes round in the second half, which is in order, and a
        note longer, at the end.
        """
        try:
            file = os.open(self.directory.output, os.O_RDONLY)
        except OSError:
            return False
        with os.fdopen(file, "rb", buffering=0) as output:
            size = os.fstat(output.fileno()).st_size
            if is_ended and size > self.cap and self.offset > self.cap // 2:
                self.offset, self.cap = self.cap // 2, size
            limit = size if is_ended else min(size, self.cap)
            first = self.offset
            while self.offset < limit and self.offset - first < MAX_OUTPUT_BYTES_A_LOOK:
                data = os.pread(output.fileno(), min(DATA_BYTES, limit - self.offset), self.offset)
                if not data:
                    break
                message = {"token": self.directory.token, "at": self.offset, "data": base64.b64encode(data).decode()}
                self.offset += len(data)
                report(message)
            if self.offset < limit and self.offset > first:
                return "much"
            return self.offset > first


def _read_text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("ascii", "replace")
    except OSError:
        return ""
