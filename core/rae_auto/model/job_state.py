"""State of a job that is stored between its runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from rae_auto.errors import BadRequest
from rae_auto.model.expectations import Expectation
from rae_auto.model.notices.outbox import NoticeCounts
from rae_auto.model.primitives.evolving.slots import quick_init
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import FeedbackLoop, Paused, SkippedByHand
from rae_auto.model.reasons.requesters import Requester
from rae_auto.model.run import Run, RunState
from rae_auto.model.run_inputs import INVOCATION_PARTS

MAX_NOTE_CHARACTERS = 256
"""Length of the note of a pause."""


_NO_COUNTS = NoticeCounts()
_EMPTY: Mapping[str, Any] = {}
"""One for all jobs, of which there may be ten thousand."""


@frozen
class Span:
    """The instants after `since`, up to and with `until`."""

    since: datetime
    until: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.since < instant <= self.until


@quick_init
@frozen(weakref_slot=False)
class Cursor:
    """Progress of a schedule: each instant after `since`, up to and including `at`, has its decision.

    Instants before `since` were skipped as missed, or are older than the schedule. `others` are further spans that are
    decided, before that or while the clock was set ahead. `schedule` is a digest of the schedule, to
    notice a change. `counts_from` is the start or the end of the run from which a schedule counts that does; None while
    that run goes on, and for all others.
    """

    at: datetime
    schedule: str
    since: datetime
    others: tuple[Span, ...] = ()
    counts_from: datetime | None = None

    def find_span(self, instant: datetime) -> Span | None:
        """Return the span of decided instants that an instant is in; None, as mostly, if it is not decided."""
        if self.since < instant <= self.at:
            return Span(self.since, self.at)
        return next((span for span in self.others if instant in span), None)


@frozen
class SkippedStart:
    """A scheduled instant that is not to start the job, and when that was requested."""

    at: datetime
    requested_at: datetime


@quick_init
@frozen(weakref_slot=False)
class RunTotal:
    """Finished runs of all time in one state: how many, their durations and attempts, and the latest end.

    `untimed` counts those of them that started and whose duration isn't known, so that `seconds` has nothing of them.
    """

    count: int = 0
    seconds: float = 0.0
    attempts: int = 0
    last_at: datetime | None = None
    untimed: int = 0

    def add(self, run: Run) -> "RunTotal":
        """Return the total with another run that has ended."""
        duration = run.duration
        seconds = 0.0 if duration is None else duration.total_seconds()
        untimed = self.untimed + (run.started_at is not None and duration is None)
        return RunTotal(self.count + 1, self.seconds + seconds, self.attempts + run.attempt, run.finished_at, untimed)


MAX_FORMER_INVOCATIONS = 5
"""Number of changes that are kept of a job, the latest."""


@frozen
class FormerInvocation:
    """A change of a job's command, directory or variables: which of them were others `until` then.

    Not what they were: a secret that was moved out of a definition must not live on in the store. Where the `changed`
    parts aren't noted, as by an earlier version, any may have changed.
    """

    until: datetime
    changed: tuple[str, ...] = INVOCATION_PARTS


@quick_init
@frozen(weakref_slot=False)
class JobState:
    """`cursors` holds the progress of each schedule by trigger id.

    A job that is `paused` goes on by itself when the wall clock shows `paused_until`, if that is set; `pause_note` says
    why it is paused, and `paused_at` since when: None if an earlier version paused it. `skips` has the instants that
    don't start it, ascending.

    `last_state` is the end of the latest finished run (skipped ones don't count), `failures` how many in a row did not
    succeed. `notice_counts` is what the rules for notices remember. `expectation` is the wait for the next success;
    None while none is expected: by the job's definition, because the job is disabled, or while it is paused. `totals`
    counts finished runs by their state, also those that are no longer on record.
    `former_ids` are those that the job had before it was renamed, the latest last. `added_by` is where an added job
    comes from; None for one of the configuration. `former_invocations` has the changes of what it starts, the latest
    last, as far as a daemon saw them and runs may be about them.
    """

    job: JobId
    paused: bool = False
    paused_until: datetime | None = None
    pause_note: str = ""
    skips: tuple[SkippedStart, ...] = ()
    cursors: Mapping[str, Cursor] = _EMPTY
    last_state: RunState | None = None
    last_run: RunId | None = None
    last_finished_at: datetime | None = None
    failures: int = 0
    expectation: Expectation | None = None
    totals: Mapping[str, RunTotal] = _EMPTY
    notice_counts: NoticeCounts = _NO_COUNTS
    former_ids: tuple[JobId, ...] = ()
    added_by: Requester | None = None
    paused_at: datetime | None = None
    former_invocations: tuple[FormerInvocation, ...] = ()

    def find_pause(self, at: datetime | None = None) -> Paused | None:
        """Return the pause that the job is in, at an instant or at all; None if there is none."""
        if not self.paused or (at is not None and self.paused_until is not None and at >= self.paused_until):
            return None
        return Paused(self.paused_until, self.pause_note)

    def find_off_by_hand(self, at: datetime) -> Paused | SkippedByHand | None:
        """Return why an instant does not start the job, if a pause or a skip is the reason."""
        if not (self.paused or self.skips):
            return None
        return self.find_pause(at) or self.find_skip(at)

    def find_skip(self, at: datetime) -> SkippedByHand | None:
        """Return why an instant does not start the job, if that was requested."""
        return next((SkippedByHand(skip.requested_at) for skip in self.skips if skip.at == at), None)


@frozen
class SeenOccurrence:
    """An occurrence that no cursor covers, kept so that it is decided once; `run` is what it led to, if anything.

    `repeats` counts how often it was emitted again, `repeated_at` says when last. `refused` is set if it was emitted
    too often: a source that emits it again gets the same refusal and offers it later.
    """

    job: JobId
    trigger: str
    key: str
    at: datetime
    run: RunId | None = None
    repeats: int = 0
    repeated_at: datetime | None = None
    refused: FeedbackLoop | None = None


def check_pause(until: datetime | None, note: object, now: datetime | None) -> None:
    """Check the end and the note of a pause; without `now` the end may be past. Errors: BadRequest."""
    if not isinstance(note, str) or len(note) > MAX_NOTE_CHARACTERS or not note.isprintable():
        raise BadRequest(f"note: use one line of at most {MAX_NOTE_CHARACTERS} printable characters")
    if until is not None and until.tzinfo is None:
        raise BadRequest("until: the time has no time zone; use an aware datetime")
    if until is not None and now is not None and until <= now:
        raise BadRequest(f"until: {until.isoformat(' ', 'seconds')} is in the past; name a time to come")
