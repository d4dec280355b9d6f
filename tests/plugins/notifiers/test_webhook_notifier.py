"""The webhook notifier against a real HTTP server that answers, fails, redirects and hangs."""

from collections.abc import Callable
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.notifiers.conftest import notify
from tests.support.http_service import Service

from rae_auto.api import Notifier
from rae_auto.config.options import build, warnings_of
from rae_auto.model.policies import NotifyOn
from rae_auto.registry import Registry
from rae_auto.testing.notifiers import NotifierConformance
from rae_plugins.notifiers.webhook import PRESETS, WebhookNotifier


class TestWebhookConforms(NotifierConformance):
    @pytest.fixture
    def plugin(self, service: Service) -> Notifier:
        return WebhookNotifier(url=service.url)

    @pytest.fixture
    def read(self, service: Service) -> Callable[[], list[str]]:
        return lambda: [document["text"] for document in service.documents]

    @pytest.fixture
    def failing(self) -> Notifier:
        return WebhookNotifier(url="http://127.0.0.1:1/")


def test_json_has_the_whole_notice(service: Service) -> None:
    notify(WebhookNotifier(url=service.url), host="attic", output="last line", failures=2)
    ((path, headers, _),), (document,) = service.requests, service.documents
    assert (path, headers["Content-Type"]) == ("/secret-topic", "application/json")
    assert document["host"] == "attic"
    assert document["output"] == "last line"
    assert document["failures"] == 2
    assert document["at"] == "2026-01-31T18:00:00+00:00"


def test_same_notice_has_the_same_idempotency_key(service: Service) -> None:
    for id in ("run-1.failure", "run-1.failure", "run-1.recovery"):
        notify(WebhookNotifier(url=service.url), id=id)
    assert [headers["Idempotency-Key"] for _, headers, _ in service.requests] == [
        '"run-1.failure"', '"run-1.failure"', '"run-1.recovery"'
    ]  # fmt: skip
    assert [document["id"] for document in service.documents] == ["run-1.failure", "run-1.failure", "run-1.recovery"]


def find_text(preset: str, service: Service) -> str:
    """Return the text that the service shows."""
    if preset == "ntfy":
        return service.requests[0][2].decode()
    (document,) = service.documents
    match preset:
        case "teams":
            return str(document["attachments"][0]["content"]["body"][1]["text"])
        case "discord":
            return str(document["content"])
        case "gotify":
            return str(document["message"])
    return str(document["text"])


@pytest.mark.parametrize("preset", PRESETS)
def test_each_service_shows_what_happened(service: Service, preset: str) -> None:
    notify(WebhookNotifier(url=service.url, preset=preset), output="disk full")
    text = find_text(preset, service)
    assert "backup failed: exit code 3" in text
    assert preset == "json" or "disk full" in text


def test_ntfy_gets_title_and_priority_as_headers(service: Service) -> None:
    notify(WebhookNotifier(url=service.url, preset="ntfy"), host="büro")
    notify(WebhookNotifier(url=service.url, preset="ntfy"), kind=NotifyOn.RECOVERY)
    (_, failure, _), (_, recovery, _) = service.requests
    assert str(make_header(decode_header(failure["Title"]))) == "[büro] backup failed: exit code 3"
    assert (failure["Priority"], recovery["Priority"]) == ("high", "default")


@pytest.mark.requirement("S22")
@pytest.mark.parametrize("preset", PRESETS)
def test_line_breaks_in_a_text_make_no_headers(service: Service, preset: str) -> None:
    notify(WebhookNotifier(url=service.url, preset=preset), text="a\r\nX-Planted: yes", host="h\nX-Planted: yes")
    ((_, headers, _),) = service.requests
    assert "X-Planted" not in headers


def test_markup_in_output_stays_text(service: Service) -> None:
    for preset in ("slack", "discord", "mattermost"):
        notify(WebhookNotifier(url=service.url, preset=preset), output="<!channel> ``` @everyone")
    slack, discord, mattermost = service.documents
    assert "&lt;!channel&gt;" in slack["text"]
    assert discord["allowed_mentions"] == {"parse": []}
    assert discord["content"].count("```") == mattermost["text"].count("```") == 2


def test_address_and_headers_come_from_secrets(service: Service, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "url"
    path.write_text(service.url + "\n")
    path.chmod(0o600)
    monkeypatch.setenv("TOKEN", "Bearer abc")
    notifier = WebhookNotifier(url=f"${{file:{path}}}", headers={"Authorization": "${env:TOKEN}"})
    assert warnings_of(notifier) == ()
    notify(notifier)
    assert service.requests[0][1]["Authorization"] == "Bearer abc"
    monkeypatch.delenv("TOKEN")
    assert "TOKEN" in warnings_of(notifier)[0]


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (500, {}, "answered 500 Internal Server Error: taken"),
        (404, {}, "answered 404 Not Found: taken"),
        (301, {"Location": "https://other.example/x"}, "redirects to other.example; set url to the final address"),
    ],
)  # fmt: skip
def test_refusals_name_the_host_and_keep_the_path_secret(
    service: Service, status: int, headers: dict[str, str], message: str
) -> None:
    service.status, service.headers = status, headers
    with pytest.raises(RuntimeError) as error:
        notify(WebhookNotifier(url=service.url))
    assert str(error.value) == f"{service.place} {message}"


@pytest.mark.requirement("S22")
def test_service_that_hangs_is_given_up(service: Service) -> None:
    service.may_answer.clear()
    with pytest.raises(RuntimeError, match=r"did not answer within 0\.2 s"):
        notify(WebhookNotifier(url=service.url, timeout="200ms"))


def test_unreachable_service_is_named() -> None:
    with pytest.raises(RuntimeError, match=r"127\.0\.0\.1:1 can't be reached \([^\[\]]*refused\); check url"):
        notify(WebhookNotifier(url="http://127.0.0.1:1/topic"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "url: is missing"),
        ({"url": "file:///etc/passwd"}, 'url: must be an address, as in "https://ntfy.sh/topic"'),
        ({"url": "https://x", "preset": "ntfi"}, 'preset: must be one of json, ntfy, slack'),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        build(WebhookNotifier, options, timezone="UTC", plugins=Registry())
    assert message in str(error.value)
