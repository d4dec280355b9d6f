"""The control protocol: JSON lines over a Unix socket. Both ends encode and decode here. Standard library only.

| direction | line |
| --- | --- |
| request | `{"id": 1, "command": "trigger", "with": {"job": "backup"}}` |
| answer | `{"id": 1, "result": …}`, or `{"id": 1, "error": {"kind": "JobNotFound", "message": "…"}}` |
| event | `{"event": {…}}`, on connections that have sent the command `events` |

`id` is any JSON value and is repeated in the answer; `with` holds the arguments and may be absent. `kind` is the name
of a class in `rae_auto.errors`; a `NotStarted` has its `reason` too. Answers come in the order of their requests. A
line that isn't a request is answered with `BadRequest`, after which the server closes the connection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rae_auto import errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_REQUEST_BYTES = 128 << 10
"""The longest request line: the data of an event and what surrounds it."""

MAX_EVENT_BYTES = 1 << 24
"""The longest line the daemon sends at once: a run, with the event that started it."""


MAX_RECORDS_AT_ONCE = 1000
"""A longer list is encoded in a thread, so that the event loop goes on meanwhile."""


class Request:
    """One request; `id` is repeated in the answer."""

    __slots__ = ("arguments", "command", "id")

    def __init__(self, command: str, arguments: Mapping[str, Any], request_id: Any) -> None:
        self.command, self.arguments, self.id = command, arguments, request_id


def encode_line(value: Mapping[str, Any]) -> bytes:
    """Return one line of JSON; values that JSON doesn't know become text."""
    return json.dumps(value, separators=(",", ":"), default=str).encode() + b"\n"


def encode_request(command: str, arguments: Mapping[str, Any], request_id: Any = None) -> bytes:
    """Return the line of a request, whose answer repeats `request_id`. Errors: BadRequest if it is too long."""
    document = {"id": request_id, "command": command, "with": arguments}
    line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_REQUEST_BYTES:
        # The server would close the connection without an answer.
        raise errors.BadRequest(f"a request is limited to {MAX_REQUEST_BYTES >> 10} KB; keep larger data in a file")
    return line


def decode_request(line: bytes) -> Request:
    """Return the request of a line. Errors: BadRequest."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise errors.BadRequest("a request must be one line of JSON") from None
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise errors.BadRequest('a request must be an object with "command", and "with" for its arguments')
    arguments = request.get("with", {})
    if not isinstance(arguments, dict):
        raise errors.BadRequest('"with" must be an object')
    return Request(request["command"], arguments, request.get("id"))


def encode_result(request_id: Any, result: Any) -> bytes:
    """Return the line that answers a request."""
    return encode_line({"id": request_id, "result": result})


def encode_long_result(request_id: Any, result: Sequence[Any]) -> bytes:
    """Return the same line, made in pieces, between which other threads get their turn."""
    head = json.dumps(request_id, separators=(",", ":"), default=str)
    pieces = (json.dumps(value, separators=(",", ":"), default=str) for value in result)
    return f'{{"id":{head},"result":[{",".join(pieces)}]}}\n'.encode()


def encode_error(request_id: Any, error: Exception) -> bytes:
    """Return the line that refuses a request."""
    # A value that a constructor refuses is a bad request too: each kind is one that 'rae-auto explain' knows.
    kind = type(error).__name__ if isinstance(error, errors.SchedulerError) else errors.BadRequest.__name__
    refusal = {"kind": kind, "message": str(error)}
    if isinstance(error, errors.NotStarted):
        refusal["reason"] = error.reason
    return encode_line({"id": request_id, "error": refusal})


def decode_answer(line: bytes) -> Any:
    """Return the result in an answer, or raise the error in it: one of `rae_auto.errors`."""
    answer = json.loads(line)
    if "error" in answer:
        raise _error_of(answer["error"])
    return answer.get("result")


def encode_event(event: Mapping[str, Any]) -> bytes:
    """Return the line that reports an event to a listener."""
    return encode_line({"event": event})


def decode_event(line: bytes) -> Mapping[str, Any] | None:
    """Return the event in a line; None if the line is an answer."""
    event: Mapping[str, Any] | None = json.loads(line).get("event")
    return event


def _error_of(refusal: Mapping[str, Any]) -> errors.SchedulerError:
    kind = getattr(errors, str(refusal.get("kind")), None)
    message = str(refusal.get("message"))
    if kind is errors.ConfigError:
        return errors.ConfigError(message.splitlines())
    if kind is errors.NotStarted:
        return errors.NotStarted(message, str(refusal.get("reason", "")))
    is_known = isinstance(kind, type) and issubclass(kind, errors.SchedulerError)
    return kind(message) if is_known else errors.SchedulerError(message)  # type: ignore[misc]
