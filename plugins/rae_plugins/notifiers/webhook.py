"""The webhook notifier: notices go to an address of HTTP, as the services behind it expect them."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from attrs import evolve, field, frozen, validators

from rae_auto.api import Notice, Notifier
from rae_auto.hookspecs import hookimpl
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.problems import invalid
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.notices import notice_body, notice_record, notice_title
from rae_auto.toolkit.secrets import SecretText, to_secret_text
from rae_auto.toolkit.threads.blocking_calls import call_with_timeout
from rae_plugins.machine.http import find_url_problem, host_of, post

MAX_DISCORD_CHARACTERS = 2000
"""The longest message that Discord takes."""


@frozen
class Payload:
    """A request that a service understands."""

    body: bytes
    headers: Mapping[str, str]


def _json(document: Mapping[str, Any]) -> Payload:
    return Payload(json.dumps(document).encode(), {"Content-Type": "application/json"})


def _plain(notice: Notice) -> Payload:
    return _json(notice_record(notice))


def _ntfy(notice: Notice) -> Payload:
    # Source: https://docs.ntfy.sh/publish/; headers that aren't ASCII are encoded as RFC 2047 says.
    title = f"=?UTF-8?B?{base64.b64encode(notice_title(notice).encode()).decode()}?="
    urgent = notice.kind is NotifyOn.FAILURE
    headers = {"Title": title, "Priority": "high" if urgent else "default", "Tags": "warning" if urgent else "ok"}
    return Payload(notice_body(notice).encode(), headers)


def _slack(notice: Notice) -> Payload:
    # Source: https://docs.slack.dev/messaging/formatting-message-text: these three characters are its markup.
    text = f"{notice_title(notice)}\n{notice_body(notice)}"
    return _json({"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")})


def _mattermost(notice: Notice) -> Payload:
    return _json({"text": f"{_fenced(notice)}"})


def _discord(notice: Notice) -> Payload:
    # Without allowed mentions, so that no output of a job can call everyone.
    return _json({"content": _fenced(notice)[:MAX_DISCORD_CHARACTERS], "allowed_mentions": {"parse": []}})


def _teams(notice: Notice) -> Payload:
    # Source: https://learn.microsoft.com/en-us/power-automate/teams/send-a-message-in-teams, an adaptive card.
    blocks = [
        {"type": "TextBlock", "text": notice_title(notice), "weight": "bolder", "wrap": True},
        {"type": "TextBlock", "text": notice_body(notice), "wrap": True, "fontType": "monospace"},
    ]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
    return _json(
        {
            "type": "message",
            "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
        }
    )


def _gotify(notice: Notice) -> Payload:
    # Source: https://gotify.net/docs/pushmsg; 8 and above rings.
    priority = 8 if notice.kind is NotifyOn.FAILURE else 4
    return _json({"title": notice_title(notice), "message": notice_body(notice), "priority": priority})


def _fenced(notice: Notice) -> str:
    """Return the notice as Markdown, in which its lines are no markup."""
    body = notice_body(notice).replace("```", "'''")
    return f"**{notice_title(notice)}**\n```\n{body}```"


PRESETS: Mapping[str, Callable[[Notice], Payload]] = {
    "json": _plain,
    "ntfy": _ntfy,
    "slack": _slack,
    "discord": _discord,
    "mattermost": _mattermost,
    "teams": _teams,
    "gotify": _gotify,
}


def _check_url(url: str) -> None:
    if not url.startswith("${") and urlsplit(url).scheme not in ("http", "https"):
        raise invalid(f'must be an address, as in "https://ntfy.sh/topic", or ${{file:PATH}}, not {quote(url)}', "url")


def _to_headers(headers: Mapping[str, SecretText | str]) -> Mapping[str, SecretText]:
    return {name: to_secret_text(text) for name, text in headers.items()}


@frozen(kw_only=True)
class WebhookNotifier(Notifier):
    """Posts each notice to an address: as JSON, or as a service expects it."""

    type: ClassVar[str] = "webhook"
    example: ClassVar[Mapping[str, Any]] = {"url": "https://ntfy.sh/my-topic", "preset": "ntfy"}

    url: SecretText = field(
        converter=to_secret_text,
        metadata={"help": "the address; ${file:PATH} or another reference for one that is a secret"},
    )
    preset: str = field(
        default="json",
        validator=validators.in_(tuple(PRESETS)),
        metadata={"help": "the service behind the address; json is the notice itself"},
    )
    headers: Mapping[str, SecretText] = field(
        factory=dict, converter=_to_headers, metadata={"help": "more headers; values may refer to secrets, as url may"}
    )
    timeout: timedelta = field(
        default=timedelta(seconds=20), converter=parse_duration, metadata={"help": "time that an answer may take"}
    )

    def __attrs_post_init__(self) -> None:
        _check_url(self.url.unresolved_text)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return why the host can't be reached; nothing is posted. A proxy is left to say that itself."""
        return tuple(filter(None, [find_url_problem(self.url, self.timeout.total_seconds())]))

    async def notify(self, notice: Notice) -> None:
        """Post the notice. Errors: RuntimeError, with the host and what it answered."""
        payload, seconds = PRESETS[self.preset](notice), self.timeout.total_seconds()
        # Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/, a string in quotes.
        own = {"User-Agent": "rae-auto", "Idempotency-Key": f'"{notice.id}"'}
        payload = evolve(payload, headers={**own, **payload.headers})
        try:
            await call_with_timeout((id(self), notice), lambda: self._post(payload, seconds), seconds)
        except TimeoutError:
            raise RuntimeError(f"{host_of(self.url.unresolved_text)} did not answer within {seconds:g} s") from None

    def _post(self, payload: Payload, seconds: float) -> None:
        url = self.url.reveal("url")
        _check_url(url)
        headers = {name: text.reveal(name) for name, text in self.headers.items()}
        post(url, payload.body, {**payload.headers, **headers}, seconds)


@hookimpl
def rae_notifiers() -> list[type[Notifier]]:
    """Return the webhook notifier."""
    return [WebhookNotifier]
