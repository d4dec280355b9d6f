"""What a request says, as the event of an occurrence."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from rae_trigger_webhook.messages import Head, Refused


def event_of(head: Head, body: bytes, shown: Sequence[str]) -> dict[str, Any]:
    """The event: of the headers only those that are to be shown; of a name that the query repeats the last value."""
    names = [name.lower() for name in shown]
    return {
        "method": head.method,
        "path": head.path,
        "query": dict(parse_qsl(head.query, keep_blank_values=True)),
        "headers": {name: ", ".join(head.headers[name]) for name in names if name in head.headers},
        "body": _content(head, body),
        "remote": head.remote,
    }


def _content(head: Head, body: bytes) -> Any:
    """A JSON value, or text; None where there is no body."""
    if (head.one("content-encoding") or "identity") != "identity":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be JSON or text, in UTF-8") from None
    kind = (head.one("content-type") or "").partition(";")[0].strip().lower()
    if text and (kind == "application/json" or kind.endswith("+json")):
        return _json(text)
    return text or None


def _json(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_no_number)
        # Half of a surrogate pair can be written in JSON, and in nothing else.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is no JSON that can be kept") from None
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)
