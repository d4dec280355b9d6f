"""An attempt on another machine: its state there is requested again whenever the connection is restored."""

import asyncio
import base64
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from rae_auto.api import Assignment, Execution, NeverStarted
from rae_auto.model.run import Result
from rae_plugins.executors.remote.line import ProcessLine
from rae_plugins.executors.remote.request import build_token, to_result

Outcome = Result | NeverStarted | None


class RemoteAttempt(Execution):
    """An attempt that runs, or may run, on another machine.

    With a request it is to be started there. The request is sent each time the line opens, until the host has reported
    a state: the host starts it once, even if the request arrives twice. Without a request it is of an earlier daemon.
    """

    def __init__(self, line: ProcessLine, assignment: Assignment, request: Mapping[str, Any] | None) -> None:
        self.token = build_token(assignment)
        self.known = asyncio.Event()
        """The host has reported a state."""
        self._ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._line = line
        self._run = assignment.run
        self._request = request
        self._is_sent = False
        self._is_confirmed = False
        self._is_found = request is None
        self._path = assignment.output
        self._file: int | None = None
        self._end_at: float | None = None
        """The time until which its processes may end by themselves, once it was asked to end."""

    @property
    def handle(self) -> Mapping[str, Any]:
        return {**self._line.handle, "token": self.token}

    @property
    def is_out_of_reach(self) -> bool:
        return not self._line.is_open and not self._ended.done()

    @property
    def outcome(self) -> Outcome:
        """The result, once `has_ended`."""
        return self._ended.result()

    @property
    def has_ended(self) -> bool:
        """True once the host has reported the end."""
        return self._ended.done()

    async def wait(self) -> Outcome:
        return await asyncio.shield(self._ended)

    async def cancel(self, grace: timedelta) -> None:
        """Have the host end the whole tree, now or as soon as it can be reached."""
        end_at = time.monotonic() + grace.total_seconds()
        self._end_at = end_at if self._end_at is None else min(self._end_at, end_at)
        if self._request is not None and not self._is_sent:
            self._finish(Result(error=f"{self._line.name} was not reached, so it was not started"))
        else:
            self._send_end()

    def resume(self) -> None:
        """Announce the attempt to the host, because the line is open.

        One that was asked to end meanwhile isn't started any more: "follow" claims it where nothing has started.
        """
        if self._request is not None and self._end_at is None:
            self._is_sent = True
            self._line.send({"do": "spawn", "token": self.token, "run": self._run, "request": self._request})
        else:
            offset = self._size()
            self._line.send({"do": "follow", "token": self.token, "run": self._run, "offset": offset})
        self._send_end()

    def handle_report(self, report: Mapping[str, Any]) -> None:
        if self._ended.done():
            return
        if "data" in report:
            self._write(base64.b64decode(report["data"]), report["at"])
        elif "alive" in report:
            self._request = None
            self.known.set()
        elif "ended" in report:
            self._write_index(report.get("index", ""))
            self._finish(self.to_result(report["ended"], is_past=self._is_found and not self.known.is_set()))
        elif "never" in report:
            self._finish(NeverStarted())
        elif "lost" in report:
            self._finish(None)
        elif "failed" in report:
            self._finish(Result(error=f"{self._line.name}: {report['failed']}"))

    def to_result(self, record: Mapping[str, Any], *, is_past: bool) -> Result:
        """Return the result that an exit record describes; `is_past` of a job that ended without a connection."""
        return to_result(record, is_past=is_past)

    def confirm(self) -> None:
        """Have the host forget the output of the attempt, once it has arrived: its end is durable.

        Not before: a daemon that was stopped, and no longer leads, may get the end as well, while the daemon that
        leads now has yet to read the output. A host that is away forgets it by itself, some weeks later.
        """
        self._is_confirmed = True
        if self._ended.done():
            self._line.send({"do": "done", "token": self.token})

    def leave(self) -> None:
        """Close its file; the attempt goes on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _send_end(self) -> None:
        if self._end_at is not None:
            grace = max(0.0, self._end_at - time.monotonic())
            self._line.send({"do": "end", "token": self.token, "grace": grace})

    def _finish(self, outcome: Outcome) -> None:
        self.leave()
        if not self._ended.done():
            self._ended.set_result(outcome)
        self.known.set()
        self._line.remove(self.token)
        if self._is_confirmed:
            self.confirm()

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def _write(self, data: bytes, offset: int) -> None:
        # A full disk costs output and nothing else.
        with suppress(OSError):
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                self._file = os.open(self._path, flags, 0o600)
            os.lseek(self._file, offset, os.SEEK_SET)
            while data:
                data = data[os.write(self._file, data) :]

    def _write_index(self, text: str) -> None:
        if text:
            with suppress(OSError):
                path: Path = self._path.with_suffix(".index")
                path.write_text(text, encoding="ascii")
