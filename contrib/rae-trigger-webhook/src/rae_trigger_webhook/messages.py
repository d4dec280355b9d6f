"""Requests and responses, as values."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from attrs import field, frozen


@frozen
class RequestHead:
    """A request without its body. Header names are in lower case; `local` is the address the request came to."""

    method: str
    path: str
    query: str
    headers: Mapping[str, tuple[str, ...]]
    remote: str
    local: str

    def single(self, name: str) -> str | None:
        """Return the value of a header; None if it is missing or given several times."""
        values = self.headers.get(name.lower(), ())
        return values[0] if len(values) == 1 else None


ReadBody = Callable[[int], Awaitable[bytes]]
"""Reads the body of a request, up to this many bytes. Errors: RequestRefused if it is longer."""


@frozen
class Response:
    """A response: a status, a JSON object and headers."""

    status: HTTPStatus
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(factory=dict)


UNKNOWN_TEXT = "no webhook has this path, or the token or signature is invalid"
"""Reason of the one refusal for everything that a sender without the token or secret may not learn."""


class RequestRefused(Exception):
    """A request that starts nothing; `response` says why, as far as its sender may know."""

    def __init__(self, status: HTTPStatus, reason: str, **headers: str) -> None:
        """Refuse with a status, a reason and headers; `Name_Of="x"` is the header `Name-Of`."""
        super().__init__(reason)
        names = {name.replace("_", "-"): text for name, text in headers.items()}
        self.response = Response(status, {"error": reason}, names)


def refuse_unknown() -> RequestRefused:
    """Return the refusal of an unknown path and of an invalid proof, so that paths can't be found by trying."""
    return RequestRefused(HTTPStatus.NOT_FOUND, UNKNOWN_TEXT)


def refuse_for_now(wait_seconds: float) -> RequestRefused:
    """Return the refusal of a request beyond a rate limit; another one may pass after `wait_seconds`."""
    retry_after = str(int(wait_seconds) + 1)
    return RequestRefused(HTTPStatus.TOO_MANY_REQUESTS, "too many requests; try again later", Retry_After=retry_after)
