"""Start and exit records: small JSON files beside a job's output file."""

import json
import os
import time
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple

from rae_plugins.executors.process.keeper.files.spare_files import FILE_FLAGS

DEFERRAL_SECONDS = 2.0
"""Time for which a record waits while a daemon is connected: it may hold reports back for half of that."""

UNSYNCED_SECONDS = 60.0
"""Age after which the kernel has long written a file by itself (30 s by default)."""


def record_path(output: str, kind: str) -> str:
    """Return the path of the record of this kind ("start" or "exit") for the output file `NAME.log`."""
    return output[: -len("log")] + kind


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes. Errors: OSError; where only some fit, write(2) says so of the rest alone."""
    while data:
        data = data[os.write(descriptor, data) :]


def write_atomically(path: str, record: dict[str, Any], *, is_durable: bool = False) -> None:
    """Write a record that readers see whole or not at all, also after a power failure if it is durable.

    Errors: OSError.
    """
    temporary = path + ".tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | FILE_FLAGS, 0o600)
    try:
        try:
            write_all(descriptor, json.dumps(record).encode())
            if is_durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if is_durable:
        _sync(os.path.dirname(path))


def remove_private_files(path: str) -> None:
    """Remove a folder with private files of a job, also where the daemon that made it is gone."""
    with suppress(OSError):
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))
        os.rmdir(path)


class AttemptRecords:
    """Writes start and exit records at once, and durably where no daemon is there to commit the end to its store.

    While a daemon is connected, its commit makes the end durable, and one flush to disk serves many ends. So records
    are only written through to disk once it has gone: those of the last minute then, and each later one at once.
    """

    def __init__(self) -> None:
        self.is_alone = False
        self._recent: deque[tuple[float, str]] = deque(maxlen=10_000)

    def write_start(self, key: str, output: str, record: dict[str, Any]) -> None:
        """Write the start record of an attempt with this output file. Errors: OSError."""
        write_atomically(record_path(output, "start"), record)

    def write_exit(self, key: str, output: str, record: dict[str, Any], *, is_quiet: bool) -> None:
        """Write the exit record; then remove the output file of a quiet attempt. Errors: OSError."""
        path = record_path(output, "exit")
        write_atomically(path, record, is_durable=self.is_alone)
        if not self.is_alone:
            self._recent.append((time.monotonic(), path))
        if is_quiet:
            # After the record: without either, the attempt would seem never to have started.
            os.unlink(output)

    def write_failure(self, output: str, record: dict[str, Any]) -> None:
        """Write the exit record of an attempt that was not spawned, and may have no output file. Errors: OSError."""
        write_atomically(record_path(output, "exit"), record, is_durable=self.is_alone)

    def confirm(self, keys: "list[str]") -> None:
        """Forget attempts whose ends the daemon has made durable."""

    def next_due(self) -> float | None:
        """Return the monotonic time at which `write_due` has something to do, if any."""
        return None

    def write_due(self, now: float) -> None:
        """Write the records that have waited long enough."""

    def handle_lost_daemon(self) -> None:
        """Make the newest records durable, and all later ones."""
        self.is_alone = True
        oldest = time.monotonic() - UNSYNCED_SECONDS
        paths = [path for at, path in self._recent if at >= oldest]
        self._recent.clear()
        # The daemon has removed those of ends that it has committed.
        left = [path for path in paths if os.path.exists(path)]
        for path in [*left, *{os.path.dirname(path) for path in left}]:
            with suppress(OSError):
                _sync(path)


class DeferredRecord(NamedTuple):
    """A record that is not written yet; `is_quiet` where it says the end of an attempt without output."""

    due: float
    output: str
    kind: str
    content: dict[str, Any]
    is_quiet: bool


class DeferredRecords(AttemptRecords):
    """Writes a record only if the daemon has gone, or hasn't confirmed the end within `DEFERRAL_SECONDS`.

    A file costs more than all else that is done for a short job: the file system looks for a free inode, and avoids
    those that have just been removed. So a job that ends, and whose end the daemon commits, within two seconds leaves
    neither record. Until then its output file is there, which says that it was started; that of a quiet attempt is
    removed with the confirmation.
    """

    def __init__(self) -> None:
        super().__init__()
        self._deferred: dict[str, DeferredRecord] = {}
        """By key, the earliest first."""

    def write_start(self, key: str, output: str, record: dict[str, Any]) -> None:
        """Write the start record, at once or later. Errors: OSError."""
        if self.is_alone:
            super().write_start(key, output, record)
        else:
            self._defer(key, output, "start", record)

    def write_exit(self, key: str, output: str, record: dict[str, Any], *, is_quiet: bool) -> None:
        """Write the exit record, at once or later. Errors: OSError."""
        if self.is_alone:
            super().write_exit(key, output, record, is_quiet=is_quiet)
        else:
            self._defer(key, output, "exit", record, is_quiet)

    def _defer(self, key: str, output: str, kind: str, content: dict[str, Any], is_quiet: bool = False) -> None:
        # At the end, so that the first is always the next that is due. An exit record says all that the start one does.
        self._deferred.pop(key, None)
        self._deferred[key] = DeferredRecord(time.monotonic() + DEFERRAL_SECONDS, output, kind, content, is_quiet)

    def confirm(self, keys: "list[str]") -> None:
        """Forget attempts whose ends the daemon has made durable."""
        for key in keys:
            record = self._deferred.pop(key, None)
            if record is not None and record.is_quiet:
                with suppress(OSError):
                    os.unlink(record.output)

    def next_due(self) -> float | None:
        """Return the monotonic time at which `write_due` has something to do, if any."""
        return next((record.due for record in self._deferred.values()), None)

    def write_due(self, now: float) -> None:
        """Write the records that have waited long enough."""
        while (due := self.next_due()) is not None and due <= now:
            self._write_first()

    def handle_lost_daemon(self) -> None:
        """Write what was deferred, make the newest exit records durable, and all later ones."""
        while self._deferred:
            self._write_first()
        super().handle_lost_daemon()

    def _write_first(self) -> None:
        key = next(iter(self._deferred))
        record = self._deferred.pop(key)
        # On a full disk the daemon still has the report.
        with suppress(OSError):
            if record.kind == "exit":
                super().write_exit(key, record.output, record.content, is_quiet=record.is_quiet)
            else:
                super().write_start(key, record.output, record.content)


def _sync(path: str) -> None:
    if os.name == "nt" and os.path.isdir(path):
        return  # NTFS writes its folders in its journal, and no program can open them
    # Windows lets only those who may write have a file written through.
    descriptor = os.open(path, (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | FILE_FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
