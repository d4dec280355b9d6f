"""The presence log: when no daemon ran, when the machine slept, and when the clock was set.

Screens show it, and so does the notice that the daemon is back. It has a line for each such span, and of the latest
daemon one about its start and one about its end, where it came to one. The time of its file says when that daemon was
last there, so that the next one knows since when none was. A daemon that was killed was last there up to a minute
before its end, so its downtime is "at most" as long as the span.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.model.notices.downtime import Downtime, DowntimeCause
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.primitives.instants import Moment, format_instant, parse_instant
from rae_auto.toolkit.files import open_private, write_atomically

LOG_NAME = "presence.jsonl"

MAX_SPANS = 2_000
"""Number of spans that are kept: the newest."""

SHORT = timedelta(seconds=5)
"""A shorter absence or sleep isn't noted: a restart takes about as long."""

SMALL_STEP = timedelta(seconds=1)
"""A smaller step of the clock isn't noted: clocks are adjusted all the time."""

_TEXTS = {
    "down": "no daemon ran for {}",
    "suspended": "the machine slept for {}",
    "clock_forward": "the clock was set forward by {}",
    "clock_back": "the clock was set back by {}",
}
_RELOADED = "reloaded"
"""The kind of the notes of reloads, which are not read as spans."""
_DOWN_NOW = "no daemon has been running for {}"


@frozen
class PresenceSpan:
    """A span in which nothing could start, or a step of the clock, which has taken no time."""

    kind: str
    """"down", "suspended", "clock_forward" or "clock_back"."""
    since: datetime
    until: datetime
    cause: DowntimeCause = DowntimeCause.UNKNOWN
    """Why no daemon ran."""
    goes_on: bool = False
    """True if it has not ended yet."""

    @property
    def text(self) -> str:
        """The span in words."""
        why = f", because {self.cause.text}" if self.cause.text else ""
        text = _DOWN_NOW if self.goes_on else _TEXTS[self.kind]
        at_most = "at most " if self.kind == "down" and not self.cause.is_end_known else ""
        return text.format(at_most + format_elapsed(abs(self.until - self.since))) + why


def find_changes(last: Moment, now: Moment) -> Iterator[PresenceSpan]:
    """Yield the clock changes between two moments of a running daemon."""
    slept = timedelta(seconds=max(now.slept - last.slept, 0.0))
    step = now.wall - last.wall - timedelta(seconds=now.mono - last.mono) - slept
    if slept >= SHORT:
        yield PresenceSpan("suspended", now.wall - slept, now.wall)
    if abs(step) >= SMALL_STEP:
        yield PresenceSpan("clock_forward" if step > timedelta(0) else "clock_back", now.wall - step, now.wall)


def find_downtime(
    directory: Path, now: datetime, boot: str = "", newest_record: datetime | None = None
) -> Downtime | None:
    """Return since when no daemon ran, and the reason if its notes have it; None if no downtime is known.

    `boot` is the id of the machine's boot, "" if it is unknown. A record of the store that is newer than the last note
    says that the daemon was still there.
    """
    path = directory / LOG_NAME
    try:
        left_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
    if newest_record is not None and left_at < newest_record < now:
        left_at = newest_record
    marks = [noted for noted in _read_lines(path) if noted.get("kind") in ("began", "ended")]
    cause = _find_cause(marks[-1], boot) if marks else DowntimeCause.UNKNOWN
    return Downtime(since=left_at, until=now, cause=cause) if left_at < now else None


def _find_cause(mark: Mapping[str, Any], boot: str) -> DowntimeCause:
    """Return why the daemon that left this mark as its last one is gone."""
    is_ended, was_asked = mark["kind"] == "ended", mark.get("by") == "command"
    if not (boot and mark.get("boot")):
        return DowntimeCause.STOPPED if is_ended else DowntimeCause.UNKNOWN
    if mark["boot"] == boot or (is_ended and was_asked):
        return DowntimeCause.STOPPED if is_ended else DowntimeCause.KILLED
    return DowntimeCause.SHUT_DOWN if is_ended else DowntimeCause.POWER_LOST


def note_start(directory: Path, now: datetime, boot: str = "") -> None:
    """Note since when no daemon ran, and that one runs from now on. Errors: OSError."""
    path = directory / LOG_NAME
    spans = list(_read(path))
    gone = find_downtime(directory, now, boot)
    if gone is not None and now - gone.since >= SHORT:
        spans.append(PresenceSpan("down", gone.since, now, gone.cause))
    mark = _encode_mark("began", now, boot=boot)
    write_atomically(path, b"".join((*map(_encode, spans[-MAX_SPANS:]), mark)))
    note_presence(directory, now)


def note_record(directory: Path, newest: datetime, now: datetime) -> None:
    """Note that the last daemon was still there at its newest record. Errors: OSError."""
    gone = find_downtime(directory, now)
    if gone is not None and gone.since < newest < now:
        os.utime(directory / LOG_NAME, (newest.timestamp(), newest.timestamp()))


def note_end(directory: Path, now: datetime, boot: str, *, by: str) -> None:
    """Note that the daemon ends, `by` a "command" or a "signal". Errors: OSError."""
    _append(directory / LOG_NAME, _encode_mark("ended", now, boot=boot, by=by))
    note_presence(directory, now)


def note_presence(directory: Path, now: datetime, spans: Sequence[PresenceSpan] = ()) -> None:
    """Note that the daemon is running, and changes of its clocks. Errors: OSError."""
    path = directory / LOG_NAME
    _append(path, b"".join(map(_encode, spans)))
    os.utime(path, (now.timestamp(), now.timestamp()))


def note_reload(directory: Path, now: datetime) -> None:
    """Note that the daemon has compared the configuration with the one before, and taken it. Errors: OSError."""
    note_presence(directory, now, [PresenceSpan(_RELOADED, now, now)])


def is_compared(directory: Path, edited_at: datetime) -> bool:
    """Tell whether a configuration saved then was compared with the one before by the daemon that took it.

    It was not where a daemon refused it, doesn't watch it, or took it at its start.
    """
    later = (
        span for span in _read(directory / LOG_NAME) if span.kind in (_RELOADED, "down") and span.until >= edited_at
    )
    first = min(later, key=lambda span: span.until, default=None)
    return first is not None and first.kind == _RELOADED


def _append(path: Path, lines: bytes) -> None:
    descriptor = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        if lines:
            os.write(descriptor, lines)
    finally:
        os.close(descriptor)


def read_presence(directory: Path, since: datetime, until: datetime) -> list[PresenceSpan]:
    """Return the spans that overlap with one from `since` to `until`, in the order in which they were noted."""
    found = (span for span in _read(directory / LOG_NAME) if span.kind != _RELOADED)
    return [span for span in found if max(span.since, span.until) >= since and min(span.since, span.until) < until]


def _read(path: Path) -> Iterator[PresenceSpan]:
    for noted in _read_lines(path):
        try:
            since, until = parse_instant(noted["since"]), parse_instant(noted["until"])
            span = PresenceSpan(noted["kind"], since, until, DowntimeCause(noted.get("cause", DowntimeCause.UNKNOWN)))
        except (ValueError, TypeError, KeyError):
            continue
        if span.kind in _TEXTS or span.kind == _RELOADED:
            yield span


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        # A crash may have cut off the end of a line.
        with contextlib.suppress(ValueError):
            noted = json.loads(line)
            if isinstance(noted, dict):
                yield noted


def _encode(span: PresenceSpan) -> bytes:
    noted = {"kind": span.kind, "since": format_instant(span.since), "until": format_instant(span.until)}
    if span.cause is not DowntimeCause.UNKNOWN:
        noted["cause"] = span.cause.value
    return json.dumps(noted).encode() + b"\n"


def _encode_mark(kind: str, at: datetime, **facts: str) -> bytes:
    return json.dumps({"kind": kind, "at": format_instant(at), **facts}).encode() + b"\n"
