"""Events: the content of a request, as the job gets it."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from rae_trigger_webhook.messages import RequestHead, RequestRefused


def build_event(head: RequestHead, body: bytes, header_names: Sequence[str]) -> dict[str, Any]:
    """Return the event of a request, with the headers that are named. Errors: RequestRefused.

    Of a name that the query repeats, the last value counts.
    """
    names = [name.lower() for name in header_names]
    return {
        "method": head.method,
        "path": head.path,
        "query": dict(parse_qsl(head.query, keep_blank_values=True)),
        "headers": {name: ", ".join(head.headers[name]) for name in names if name in head.headers},
        "body": _decode_body(head, body),
        "remote": head.remote,
    }


def _decode_body(head: RequestHead, body: bytes) -> Any:
    """Return a JSON value if the content type says so, otherwise text; None if there is no body."""
    if (head.single("content-encoding") or "identity") != "identity":
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must not be compressed")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise RequestRefused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be JSON or text in UTF-8") from None
    media_type = (head.single("content-type") or "").partition(";")[0].strip().lower()
    if text and (media_type == "application/json" or media_type.endswith("+json")):
        return _parse_json(text)
    return text or None


def _parse_json(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        # JSON can contain half of a surrogate pair, which no store can keep.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "the body is not valid JSON") from None
    return value


def _refuse_constant(word: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python's parser reads and JSON doesn't have."""
    raise ValueError(word)
