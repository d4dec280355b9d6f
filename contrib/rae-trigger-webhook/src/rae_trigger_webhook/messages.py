"""A request and an answer, as values."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from attrs import field, frozen


@frozen
class Head:
    """A request without its body. The names of headers are in small letters; `local` is the address that it came to."""

    method: str
    path: str
    query: str
    headers: Mapping[str, tuple[str, ...]]
    remote: str
    local: str

    def one(self, name: str) -> str | None:
        """The value of a header; None where it is missing, or there is more than one to choose from."""
        values = self.headers.get(name.lower(), ())
        return values[0] if len(values) == 1 else None


ReadBody = Callable[[int], Awaitable[bytes]]
"""Reads the body of a request, up to so many bytes; Refused where it has more."""


@frozen
class Response:
    """What a request is answered with: a status, a JSON object, headers."""

    status: HTTPStatus
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(factory=dict)


class Refused(Exception):
    """A request that leads to nothing; `answer` says why, as far as its sender may know."""

    def __init__(self, status: HTTPStatus, why: str, **headers: str) -> None:
        super().__init__(why)
        self.answer = Response(status, {"error": why}, {name.replace("_", "-"): text for name, text in headers.items()})
