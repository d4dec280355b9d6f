"""Options of the webhook trigger, and those that are refused."""

import asyncio
import subprocess
import sys
from ipaddress import ip_address

import pytest
from rae_trigger_webhook import WebhookTrigger
from rae_trigger_webhook.secrets import read_secret

from rae_auto.toolkit.secrets import SecretText

TOKEN = "${env:HOOK}"
PLAIN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, 'set either "token" or "secret"'),
        ({"token": TOKEN, "secret": TOKEN}, 'set either "token" or "secret"'),
        ({"token": ""}, "at least 16 characters"),
        ({"secret": "short"}, "at least 16 characters"),
        ({"token": "${vault:hook}"}, r"invalid reference; use \$\{env:NAME\} or \$\{file:PATH\}"),
        ({"token": TOKEN, "path": "deploy"}, "path of a URL"),
        ({"token": TOKEN, "path": "/a?b"}, "path of a URL"),
        ({"token": TOKEN, "host": "example.org"}, "an IP address of this machine"),
        ({"token": TOKEN, "port": 0}, "must be >= 1"),
        ({"token": TOKEN, "port": 65536}, "must be <= 65535"),
        ({"token": TOKEN, "rate": 0}, "must be >= 1"),
        ({"token": TOKEN, "methods": ()}, "must not be empty; name one"),
        ({"token": TOKEN, "max_body": "2MB"}, "from 1B to 1MB"),
        ({"token": TOKEN, "max_age": "soon"}, "invalid duration"),
        ({"token": TOKEN, "headers": ("Accept", "authorization")}, 'must not contain "authorization"'),
        ({"token": TOKEN, "token_header": "X-Token", "headers": ("x-token",)}, 'must not contain "x-token"'),
        ({"secret": TOKEN, "idempotency_header": "X-Delivery"}, "signed webhook-id"),
    ],
)
def test_invalid_options_are_refused_in_one_line(options, problem):
    with pytest.raises(ValueError, match=problem) as error:
        WebhookTrigger(**{"path": "/deploy", **options})
    assert "\n" not in str(error.value.args[0])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"token": TOKEN}, []),
        ({"token": PLAIN}, ['"token" is written in the configuration itself']),
        ({"secret": PLAIN}, ['"secret" is written in the configuration itself']),
        ({"token": TOKEN, "host": "::1"}, []),
        ({"token": TOKEN, "host": "0.0.0.0"}, ['"host" 0.0.0.0 accepts requests from other machines']),
        ({"token": TOKEN, "idempotency_header": "X-Key"}, []),
        ({"secret": TOKEN, "scheme": "body"}, []),
        ({"secret": TOKEN, "scheme": "body", "idempotency_header": "X-Key"}, ['header "X-Key" isn\'t signed']),
    ],
)
def test_warnings_name_doubtful_options(options, expected):
    found = WebhookTrigger(path="/deploy", **options).warnings()
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))


def test_default_host_is_loopback():
    assert ip_address(WebhookTrigger(path="/deploy", token=TOKEN).host).is_loopback


def test_repr_and_errors_hide_token_and_secret():
    shown = repr(WebhookTrigger(path="/a", token=PLAIN)) + repr(WebhookTrigger(path="/a", secret=PLAIN))
    assert PLAIN not in shown
    with pytest.raises(ValueError) as error:
        WebhookTrigger(path="/a", token=PLAIN[:15])
    assert PLAIN[:15] not in str(error.value)


def test_read_secret_follows_the_reference(tmp_path, monkeypatch):
    path = tmp_path / "hook"
    path.write_text(f"{PLAIN}\n")
    path.chmod(0o600)
    monkeypatch.setenv("HOOK", PLAIN)
    references = ["${env:HOOK}", f"${{file:{path}}}", PLAIN]
    secrets = map(SecretText, references)
    assert [asyncio.run(read_secret("token", secret)) for secret in secrets] == [PLAIN.encode()] * 3


def test_read_secret_explains_why_it_fails(tmp_path, monkeypatch):
    open_to_all, binary, empty = (tmp_path / name for name in ("open", "binary", "empty"))
    open_to_all.write_text(PLAIN)
    open_to_all.chmod(0o644)
    binary.write_bytes(b"\xff" * 32)
    empty.write_text("\n")
    for path in (binary, empty):
        path.chmod(0o600)
    monkeypatch.setenv("SHORT", "short")
    for reference, problem in [
        ("${env:MISSING_HOOK}", "is not set"),
        ("${env:SHORT}", "at least 16 characters"),
        (f"${{file:{empty}}}", "at least 16 characters"),
        (f"${{file:{open_to_all}}}", "chmod 600"),
        (f"${{file:{binary}}}", "UTF-8"),
        (f"${{file:{tmp_path / 'missing'}}}", "No such file"),
    ]:
        with pytest.raises(ValueError, match=problem):
            asyncio.run(read_secret("token", SecretText(reference)))


def test_changed_token_counts_at_once_and_missing_refuses_all(watching, client, hook, tmp_path):
    path = tmp_path / "token"
    path.write_text(PLAIN)
    path.chmod(0o600)

    async def work(listener):
        statuses = [(await client.send(Authorization=f"Bearer {PLAIN}")).status]
        path.write_text(PLAIN[::-1])
        statuses += [(await client.send(Authorization=f"Bearer {token}")).status for token in (PLAIN, PLAIN[::-1])]
        path.unlink()
        return [*statuses, (await client.send(Authorization=f"Bearer {PLAIN[::-1]}")).status]

    assert watching(work, hook(token=f"${{file:{path}}}")) == [202, 404, 202, 503]


def test_unreadable_token_fails_the_watch(watching, client, hook):
    async def work(listener):
        async with listener.watching(hook(token="${env:MISSING_HOOK}")) as task:
            await asyncio.wait({task})
            return str(task.exception()), client.is_open()

    problem, is_open = watching(work)
    assert "${env:MISSING_HOOK}" in problem
    assert not is_open


def test_import_loads_no_http_library():
    code = "import sys, rae_trigger_webhook; print('h11' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
