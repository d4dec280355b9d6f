"""Whether a request comes from who may send it. Pure; every comparison takes the same time however wrong it is."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta

from rae_trigger_webhook.messages import Head

_PREFIX = "whsec_"


def bears(token: bytes, header: str, head: Head) -> bool:
    """Whether the header holds the token; as `Bearer TOKEN` where it is `Authorization`."""
    given = head.one(header)
    if given is None:
        return False
    if header.lower() == "authorization":
        scheme, _, given = given.partition(" ")
        if scheme.lower() != "bearer":
            return False
    return hmac.compare_digest(given.strip().encode(), token)


def signs_body(secret: bytes, header: str, head: Head, body: bytes) -> bool:
    """Whether the header holds the HMAC-SHA256 of the body in hexadecimal, with or without `sha256=` before it."""
    given = (head.one(header) or "").removeprefix("sha256=")
    return hmac.compare_digest(given.lower().encode(), hmac.new(secret, body, hashlib.sha256).hexdigest().encode())


def signs_standard(secret: bytes, head: Head, body: bytes, now: datetime, max_age: timedelta) -> bool:
    """Whether one of the signatures is of `ID.TIME.BODY`, and the time near enough.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    identity, time = head.one("webhook-id"), head.one("webhook-timestamp")
    given = (head.one("webhook-signature") or "").split(" ")
    if not identity or not time or not _is_near(time, now, max_age):
        return False
    signed = b".".join([identity.encode(), time.encode(), body])
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    wanted = b"v1," + base64.b64encode(digest)
    # There are several while a sender changes its secret.
    matches = [hmac.compare_digest(one.encode(), wanted) for one in given[:8]]
    return any(matches)


def _is_near(time: str, now: datetime, max_age: timedelta) -> bool:
    if not (time.isascii() and time.isdigit() and len(time) <= 12):
        return False
    return abs(now.timestamp() - int(time)) <= max_age.total_seconds()


def _key(secret: bytes) -> bytes:
    text = secret.decode()
    if not text.startswith(_PREFIX):
        return secret
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return secret
