"""Who signs is believed, as far as the signature reaches."""

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest
from rae_trigger_webhook.messages import RequestHead
from rae_trigger_webhook.signing import has_body_signature, has_standard_signature

from rae_auto.testing.sources import START, VirtualTimer

SECRET = "fedcba9876543210fedcba9876543210"
KEY = SECRET.encode()
NOW = int(START.timestamp())


def mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, hashlib.sha256)


def standard(identity="one", time=NOW, body=b"{}", key=KEY):
    """Headers of a request that is signed with its id and its time."""
    signature = base64.b64encode(mac(key, f"{identity}.{time}.".encode() + body)).decode()
    return {
        "webhook_id": identity, "webhook_timestamp": str(time), "webhook_signature": f"v1,{signature}",
    }  # fmt: skip


def head(**headers: str) -> RequestHead:
    given = {name.replace("_", "-").lower(): (value,) for name, value in headers.items()}
    return RequestHead("POST", "/deploy", "", given, "127.0.0.1", "127.0.0.1")


def play(watching, client, hook, *requests, **options):
    """Statuses and keys of some requests, by their bodies and headers."""

    async def work(listener):
        given = [(body, {"Authorization": "", **headers}) for body, headers in requests]
        statuses = [(await client.send(body=body, **headers)).status for body, headers in given]
        return statuses, [told.key for told in listener.occurrences]

    return watching(work, hook(**{"secret": SECRET, **options}), timer=VirtualTimer())


# The example of the specification


def test_standard_signature_accepts_the_example_of_the_spec():
    """https://github.com/standard-webhooks/standard-webhooks, in the tests of its libraries."""
    given = head(
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        webhook_timestamp="1614265330",
        webhook_signature="v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    )
    at = START.fromtimestamp(1614265330, START.tzinfo)
    secret = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert has_standard_signature(secret, given, b'{"test": 2432232314}', at, timedelta(minutes=5))


# Signed: id, time and body


def test_standard_signature_identifies_a_request_by_its_id(watching, client, hook):
    again = (b"{}", standard())
    assert play(watching, client, hook, again, again, (b"{}", standard("two"))) == ([202, 202, 202], ["one", "two"])


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook_id": "two"},
        {"webhook_id": ""},
        {"webhook_timestamp": str(NOW + 1)},
        {"webhook_timestamp": ""},
        {"webhook_signature": ""},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v1,AAAA"},
    ],
)
def test_standard_signature_protects_the_headers(watching, client, hook, changed):
    assert play(watching, client, hook, (b"{}", {**standard(), **changed})) == ([404], [])


def test_standard_signature_protects_the_body(watching, client, hook):
    assert play(watching, client, hook, (b"{1}", standard())) == ([404], [])


@pytest.mark.parametrize(("off", "status"), [(-301, 404), (-300, 202), (300, 202), (301, 404)])
def test_standard_signature_expires(watching, client, hook, off, status):
    assert play(watching, client, hook, (b"{}", standard(time=NOW + off)))[0] == [status]


@pytest.mark.parametrize("time", ["1e9", "-1", "²", "9" * 5000, "now"])
def test_standard_signature_refuses_an_invalid_time(time):
    assert not has_standard_signature(KEY, head(**standard(time=time)), b"{}", START, timedelta.max)


def test_standard_signature_needs_one_match_of_several():
    signed = standard()
    several = {**signed, "webhook_signature": f"v1,AAAA v2,x {signed['webhook_signature']}"}
    assert has_standard_signature(KEY, head(**several), b"{}", START, timedelta(minutes=5))


def test_secret_with_the_prefix_of_the_spec_is_base64():
    key = bytes(range(24))
    secret = b"whsec_" + base64.b64encode(key)
    assert has_standard_signature(secret, head(**standard(key=key)), b"{}", START, timedelta(minutes=5))
    assert has_standard_signature(b"whsec_!!", head(**standard(key=b"whsec_!!")), b"{}", START, timedelta(minutes=5))


# Signed: the body alone


def signed_body(body=b"{}", **headers):
    return body, {"X_Hub_Signature_256": f"sha256={mac(KEY, body).hex()}", **headers}


def test_body_signature_identifies_a_request_by_its_body(watching, client, hook):
    requests = [signed_body(), signed_body(Idempotency_Key="another"), signed_body(b"[]")]
    statuses, keys = play(watching, client, hook, *requests, scheme="body")
    assert (statuses, len(keys)) == ([202, 202, 202], 2)


def test_idempotency_header_identifies_signed_bodies(watching, client, hook):
    requests = [signed_body(X_GitHub_Delivery=delivery) for delivery in ("one", "two", "one")]
    options = {"scheme": "body", "idempotency_header": "X-GitHub-Delivery"}
    assert play(watching, client, hook, *requests, **options) == ([202, 202, 202], ["one", "two"])


@pytest.mark.parametrize("signature", ["", "sha256=", "sha1=00", "sha256=" + "0" * 64, "\xff"])
def test_body_without_its_signature_is_refused(watching, client, hook, signature):
    request = (b"{}", {"X_Hub_Signature_256": signature})
    assert play(watching, client, hook, request, scheme="body") == ([404], [])


def test_body_signature_needs_no_prefix():
    bare = mac(KEY, b"{}").hex().upper()
    assert has_body_signature(KEY, "X-Gitea-Signature", head(X_Gitea_Signature=bare), b"{}")


def test_token_and_signature_are_not_interchangeable(watching, client, hook):
    assert play(watching, client, hook, (b"{}", {"Authorization": f"Bearer {SECRET}"}))[0] == [404]
    assert play(watching, client, hook, (b"{}", standard()), secret=None, token=SECRET)[0] == [404]


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        ({"secret": None, "token": SECRET}, (b"{}", {"Authorization": f"Bearer {SECRET}"})),
        ({"scheme": "body"}, signed_body()),
        ({"scheme": "standard"}, (b"{}", standard())),
    ],
)
def test_proofs_are_compared_in_constant_time(watching, client, hook, monkeypatch, options, request_):
    assert play(watching, client, hook, request_, **options)[0] == [202]
    monkeypatch.setattr(hmac, "compare_digest", lambda *_: False)
    assert play(watching, client, hook, request_, **options)[0] == [404]
