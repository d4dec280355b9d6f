"""Client of ActivityWatch, by its REST interface on loopback: buckets, and the events in them.

The last event of a bucket grows while nothing changes, so each request begins with the last known event. Older servers
also omit events that began before the requested time. Source: https://docs.activitywatch.net/en/latest/api/rest.html
"""

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn

from attrs import frozen

from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.toolkit.secrets import Secret

WINDOWS, AFK_STATUS = "currentwindow", "afkstatus"

_REQUEST_TIMEOUT_SECONDS = 5.0
_MAX_RESPONSE_BYTES = 32 << 20


class ActivityWatchError(Exception):
    """ActivityWatch doesn't respond, or responds with an error or invalid data; the text says why."""


@frozen
class BucketEvent:
    """An event of a bucket."""

    start: datetime
    end: datetime
    data: Mapping[str, Any]


class _RefuseRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, because a request on loopback must not leave the machine."""

    def redirect_request(self, req: urllib.request.Request, *_: Any) -> NoReturn:
        """Refuse the redirect. Raises URLError."""
        raise urllib.error.URLError("it redirects to another address")


@lru_cache(maxsize=1)
def _opener() -> urllib.request.OpenerDirector:
    # One for all requests: from Python 3.12 on each new one reads all certificates of the machine.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _RefuseRedirects)


@frozen
class ActivityWatch:
    """A server. Calls block for at most some seconds."""

    url: str
    api_key: Secret | None = None

    def buckets(self, kind: str) -> list[str]:
        """Return the buckets of a type: those of this machine, or all if it has none. Raises ActivityWatchError."""
        buckets = self._get("/api/0/buckets/")
        try:
            of_kind = {name: bucket.get("hostname") for name, bucket in buckets.items() if bucket.get("type") == kind}
        except AttributeError:
            raise ActivityWatchError("its list of buckets has an unknown format") from None
        own = [name for name, host in of_kind.items() if host == socket.gethostname()]
        return sorted(own or of_kind)

    def events(self, bucket: str, start: datetime, end: datetime) -> list[BucketEvent]:
        """Return the events of a bucket between two instants, oldest first. Raises ActivityWatchError."""
        query = urllib.parse.urlencode({"start": format_instant(start), "end": format_instant(end), "limit": -1})
        response = self._get(f"/api/0/buckets/{urllib.parse.quote(bucket, safe='')}/events?{query}")
        try:
            events = [_parse_event(event) for event in response]
        except (TypeError, KeyError, ValueError, OverflowError):
            raise ActivityWatchError(f"the events of bucket {bucket} have an unknown format") from None
        return sorted(events, key=lambda event: event.start)

    def _get(self, path: str) -> Any:
        try:
            headers = {"Authorization": f"Bearer {self.api_key.reveal('api_key')}"} if self.api_key else {}
        except ValueError as error:
            raise ActivityWatchError(str(error)) from None
        request = urllib.request.Request(self.url.rstrip("/") + path, headers=headers)  # noqa: S310 - checked to be http
        try:
            with _opener().open(request, timeout=_REQUEST_TIMEOUT_SECONDS) as response:
                return json.loads(response.read(_MAX_RESPONSE_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            hint = "; set api_key" if error.code in (401, 403) else ""
            raise ActivityWatchError(f"it responded with HTTP status {error.code}{hint}") from None
        except (OSError, ValueError) as error:
            raise ActivityWatchError(" ".join(str(getattr(error, "reason", error)).split())) from None


def _parse_event(event: Mapping[str, Any]) -> BucketEvent:
    start = parse_instant(event["timestamp"])
    return BucketEvent(start, start + timedelta(seconds=float(event["duration"])), event["data"])
