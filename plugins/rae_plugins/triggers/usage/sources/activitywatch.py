"""What ActivityWatch has recorded, by its REST interface on loopback: buckets, and the events in them.

The last event of a bucket grows while nothing changes, so each question begins with the last event that is known.
Older servers leave out events that began before the time asked for; that is the other reason.
"""

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

from attrs import field, frozen

from rae_auto.model.primitives.instants import format_instant, parse_instant

WINDOWS, AFK_STATUS = "currentwindow", "afkstatus"

_PATIENCE = 5.0
_LARGEST = 32 << 20


class NoAnswer(Exception):  # one that is expected: it may not run
    """ActivityWatch doesn't answer, or not as it should; the text says why."""


@frozen
class Recorded:
    """An event of a bucket."""

    start: datetime
    end: datetime
    data: Mapping[str, Any]


class _Stay(urllib.request.HTTPRedirectHandler):
    """What is asked on loopback is asked nowhere else."""

    def redirect_request(self, req: urllib.request.Request, *_: Any) -> NoReturn:
        """Refuse."""
        raise urllib.error.URLError("it leads elsewhere")


@frozen
class ActivityWatch:
    """A server. Calls block, for some seconds at most."""

    url: str
    api_key: str | None = field(default=None, repr=False)

    def buckets(self, kind: str) -> list[str]:
        """The buckets of a type, of this machine where the server has those of others too. Errors: NoAnswer."""
        found = self._get("/api/0/buckets/")
        try:
            of_kind = {name: bucket.get("hostname") for name, bucket in found.items() if bucket.get("type") == kind}
        except AttributeError:
            raise NoAnswer("what it says of its buckets is not what ActivityWatch says") from None
        own = [name for name, host in of_kind.items() if host == socket.gethostname()]
        return sorted(own or of_kind)

    def events(self, bucket: str, start: datetime, end: datetime) -> list[Recorded]:
        """The events of a bucket between two instants, oldest first. Errors: NoAnswer."""
        query = urllib.parse.urlencode({"start": format_instant(start), "end": format_instant(end), "limit": -1})
        found = self._get(f"/api/0/buckets/{urllib.parse.quote(bucket, safe='')}/events?{query}")
        try:
            events = [_recorded(event) for event in found]
        except (TypeError, KeyError, ValueError, OverflowError):
            raise NoAnswer(f"the events of {bucket} are not what ActivityWatch says") from None
        return sorted(events, key=lambda event: event.start)

    def _get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        request = urllib.request.Request(self.url.rstrip("/") + path, headers=headers)  # noqa: S310 - checked to be http
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)
        try:
            with opener.open(request, timeout=_PATIENCE) as answer:
                return json.loads(answer.read(_LARGEST))
        except urllib.error.HTTPError as error:
            error.close()
            hint = "; it wants an api_key" if error.code in (401, 403) else ""
            raise NoAnswer(f"it answers {error.code}{hint}") from None
        except (OSError, ValueError) as error:
            raise NoAnswer(" ".join(str(getattr(error, "reason", error)).split())) from None


def _recorded(event: Mapping[str, Any]) -> Recorded:
    start = parse_instant(event["timestamp"])
    return Recorded(start, start + timedelta(seconds=float(event["duration"])), event["data"])
