"""Proofs of a request: tokens and signatures. Pure functions; every comparison takes constant time."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta

from rae_trigger_webhook.messages import RequestHead

MAX_SIGNATURES = 8
"""Signatures of a request that are compared; a sender has several while it changes its secret."""

_KEY_PREFIX = "whsec_"
_MAX_TIMESTAMP_DIGITS = 12


def has_token(token: bytes, header: str, head: RequestHead) -> bool:
    """Return whether the header holds the token; as `Bearer TOKEN` if the header is `Authorization`."""
    value = head.single(header)
    if value is None:
        return False
    if header.lower() == "authorization":
        scheme, _, value = value.partition(" ")
        if scheme.lower() != "bearer":
            return False
    return hmac.compare_digest(value.strip().encode(), token)


def has_body_signature(secret: bytes, header: str, head: RequestHead, body: bytes) -> bool:
    """Return whether the header holds the HMAC-SHA256 of the body in hexadecimal, with or without `sha256=`."""
    value = (head.single(header) or "").removeprefix("sha256=")
    expected = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(value.lower().encode(), expected.encode())


def has_standard_signature(secret: bytes, head: RequestHead, body: bytes, now: datetime, max_age: timedelta) -> bool:
    """Return whether one of the signatures is that of `ID.TIME.BODY`, and the time is at most `max_age` off.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    message_id, timestamp = head.single("webhook-id"), head.single("webhook-timestamp")
    signatures = (head.single("webhook-signature") or "").split(" ")
    if not message_id or not timestamp or not _is_recent(timestamp, now, max_age):
        return False
    content = b".".join([message_id.encode(), timestamp.encode(), body])
    digest = hmac.new(_decode_key(secret), content, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    # All are compared, so that the time taken doesn't tell which one matches.
    matches = [hmac.compare_digest(signature.encode(), expected) for signature in signatures[:MAX_SIGNATURES]]
    return any(matches)


def _is_recent(timestamp: str, now: datetime, max_age: timedelta) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MAX_TIMESTAMP_DIGITS):
        return False
    return abs(now.timestamp() - int(timestamp)) <= max_age.total_seconds()


def _decode_key(secret: bytes) -> bytes:
    text = secret.decode()
    if not text.startswith(_KEY_PREFIX):
        return secret
    try:
        return base64.b64decode(text.removeprefix(_KEY_PREFIX), validate=True)
    except binascii.Error:
        return secret
