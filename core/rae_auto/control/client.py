"""The other end of the control socket. Standard library only: most commands need nothing else."""

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rae_auto import errors
from rae_auto.control.protocol import MAX_LINE
from rae_auto.paths import socket_path, state_directory

PATIENCE = 30.0
"""Seconds to wait for an answer that takes no time to make."""


class Client:
    """A connection to the daemon of a state directory."""

    def __init__(self, directory: Path | None = None, patience: float | None = PATIENCE) -> None:
        """Connect. An answer may take `patience` seconds; None: as long as it takes. Errors: DaemonUnreachable."""
        place = directory or state_directory()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(patience)
        try:
            self._socket.connect(str(socket_path(place)))
        except OSError as error:
            self._socket.close()
            raise errors.DaemonUnreachable(
                f"no daemon is running for {place}; start one with 'rae-auto run'"
            ) from error
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()

    def call(self, command: str, **arguments: Any) -> Any:
        """The result of a command; raises the error that the daemon answers with."""
        request = {"id": 1, "command": command, "with": arguments}
        answer = self._exchange(json.dumps(request).encode() + b"\n")
        if "error" in answer:
            raise _error(answer["error"])
        return answer.get("result")

    def events(self) -> Iterator[dict[str, Any]]:
        """What happens from now on, until the daemon ends."""
        self.call("events")
        self._socket.settimeout(None)
        with contextlib.suppress(OSError):
            for line in self._lines:
                yield json.loads(line)["event"]

    def _exchange(self, request: bytes) -> dict[str, Any]:
        if len(request) > MAX_LINE:
            # The daemon would hang up on it without a word.
            raise errors.BadRequest(f"a request is at most {MAX_LINE >> 10} KB; keep what is larger in a file")
        try:
            self._socket.sendall(request)
            line = self._lines.readline()
        except OSError as error:
            raise errors.DaemonUnreachable(f"the daemon doesn't answer ({error})") from error
        if not line:
            raise errors.DaemonUnreachable("the daemon hung up; its log says why")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _error(answer: dict[str, Any]) -> errors.SchedulerError:
    kind = getattr(errors, str(answer.get("kind")), None)
    message = str(answer.get("message"))
    if kind is errors.ConfigError:
        return errors.ConfigError(message.splitlines())
    is_ours = isinstance(kind, type) and issubclass(kind, errors.SchedulerError)
    return kind(message) if is_ours else errors.SchedulerError(message)  # type: ignore[misc]
