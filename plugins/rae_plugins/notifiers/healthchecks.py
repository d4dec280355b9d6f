"""The healthchecks notifier: starts and ends of runs go to a service that raises the alarm when they stop coming."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, uuid5

from attrs import field, frozen

from rae_auto.api import Notice, Notifier
from rae_auto.hookspecs import hookimpl
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.problems import invalid
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.notices import notice_body
from rae_auto.toolkit.secrets import SecretText, to_secret_text
from rae_auto.toolkit.threads.blocking_calls import call_with_timeout
from rae_plugins.machine.http import find_url_problem, host_of, post

MAX_BODY_BYTES = 10_000
"""The bytes of a request that the service keeps; its own installations keep no more by default."""

JOB = "{job}"

# Source: https://healthchecks.io/docs/http_api/
_SIGNALS: Mapping[NotifyOn, str] = {
    NotifyOn.START: "/start",
    NotifyOn.SUCCESS: "",
    NotifyOn.RECOVERY: "",
    NotifyOn.FAILURE: "/fail",
    NotifyOn.LOST: "/fail",
}
_LOG = "/log"
"""The signal for everything else, which changes no state there."""


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if not url.startswith("${") and parts.scheme not in ("http", "https"):
        raise invalid(f'must be an address, as in "https://hc-ping.com/KEY/{JOB}", not {quote(url)}', "url")
    if parts.query or parts.fragment:
        raise invalid("must not have a query or a fragment; remove what follows the path", "url")


@frozen(kw_only=True)
class HealthchecksNotifier(Notifier):
    """Pings a check of Healthchecks: `start`, `success`, `fail` and `log`, with the end of the output."""

    type: ClassVar[str] = "healthchecks"
    example: ClassVar[Mapping[str, Any]] = {"url": "https://hc-ping.com/my-ping-key/{job}"}

    url: SecretText = field(
        converter=to_secret_text,
        metadata={
            "help": "address of a check, or one with {job} in it; ${file:PATH} or another reference for a secret"
        },
    )
    create: bool = field(default=False, metadata={"help": "true: a check that is missing is created, with {job} only"})
    timeout: timedelta = field(
        default=timedelta(seconds=20), converter=parse_duration, metadata={"help": "time that an answer may take"}
    )

    def __attrs_post_init__(self) -> None:
        _check_url(self.url.unresolved_text)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return why the host can't be reached; nothing is pinged."""
        return tuple(filter(None, [find_url_problem(self.url, self.timeout.total_seconds())]))

    async def notify(self, notice: Notice) -> None:
        """Ping, for each notice that this one sums up. Errors: RuntimeError, with the host and what it answered."""
        seconds = self.timeout.total_seconds()
        for one in notice.notices or (notice,):
            if one.kind is NotifyOn.BACK and JOB in self.url.unresolved_text:
                # It is about the daemon, which has no check there.
                continue
            try:
                await call_with_timeout((id(self), one), lambda one=one: self._ping(one, seconds), seconds)  # type: ignore[misc]
            except TimeoutError:
                raise RuntimeError(f"{host_of(self.url.unresolved_text)} did not answer within {seconds:g} s") from None

    def _ping(self, notice: Notice, seconds: float) -> None:
        url = self.url.reveal("url").strip().rstrip("/")
        _check_url(url)
        has_name = JOB in url
        if has_name and not notice.job:
            raise RuntimeError("the notice is about no job, so it has no check")
        # Names there are slugs, which have no capital letters.
        url = url.replace(JOB, notice.job.lower()) + _SIGNALS.get(notice.kind, _LOG)
        query = ["create=1"] if self.create and has_name else []
        if notice.run:
            # By it the service finds the start that belongs to an end, also where runs overlap.
            query.append(f"rid={uuid5(NAMESPACE_OID, notice.run)}")
        body = notice_body(notice).encode()
        if len(body) > MAX_BODY_BYTES:
            # The end has the last lines of output.
            body = body[: MAX_BODY_BYTES // 4] + b"\n...\n" + body[5 - MAX_BODY_BYTES * 3 // 4 :]
        headers = {"User-Agent": "rae-auto", "Content-Type": "text/plain; charset=utf-8"}
        post(f"{url}?{'&'.join(query)}" if query else url, body, headers, seconds)


@hookimpl
def rae_notifiers() -> list[type[Notifier]]:
    """Return the healthchecks notifier."""
    return [HealthchecksNotifier]
