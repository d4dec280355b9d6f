"""The reading protocol of screens, implemented for a running daemon and for a store.

All methods are safe to call at the same time. Errors: those of `rae_auto.errors`, DaemonUnreachable among them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from attrs import field, frozen

from rae_auto.model.decision import Decision
from rae_auto.model.job import Job
from rae_auto.model.job_state import FormerInvocation
from rae_auto.model.run import Run, RunState
from rae_auto.views.screens.parts.base import Fact, UpcomingStart
from rae_auto.views.screens.parts.output_part import MergedMatches, OutputMatches, OutputPart
from rae_auto.views.screens.parts.trends import Trends

RUNS, SKIPS = "runs", "skips"
"""Kinds of records that are counted: runs that are over by state, and skipped occurrences by reason."""

OPEN_STATES = tuple(state for state in RunState if not state.final)
MAX_OPEN_RUNS = 1_000
"""Number of open runs that a screen reads: no count of records has them."""

NOTHING_COMPARED = timedelta(days=365)
"""The least duration from which on `digest_records` compares no runs with earlier or later ones."""


@frozen
class JobsFound:
    """A part of the jobs that match, ordered by name, as records of `rae-auto list --json`."""

    jobs: Sequence[Mapping[str, Any]]
    matched: int
    total: int


@frozen(kw_only=True)
class JobFacts:
    """A job, and what is known of it now."""

    definition: Job
    info: Mapping[str, Any]
    """The record of it in `rae-auto list --json`."""
    last: Mapping[str, Any] | None = None
    """The record of the run that ended last."""
    triggers: Mapping[str, str] = field(factory=dict)
    """A few words for each trigger, by id."""
    trigger_problems: Mapping[str, str] = field(factory=dict)
    """Why triggers don't work at present, by id."""
    defined_at: str | None = None
    """File and line of the definition; None for an added job."""
    edited_at: datetime | None = None
    """When the file of the definition, or of the defaults, was saved; None for an added job."""
    is_edit_compared: bool = False
    """True if a reload compared that version with the one before, so that each change is among the former ones."""
    former_invocations: Sequence[FormerInvocation] = ()
    """The commands of the job before its definition was changed, the latest last."""
    guards: Mapping[str, str] = field(factory=dict)
    """The answers of guards now, "yes: …" or "no: …", by id; "unknown: …" for those that were not asked."""
    asked_guards: Sequence[str] = ()
    """The ids of guards that have read the machine for this."""


@frozen
class RecordCount:
    """The number of records of one outcome in a step of time; `start` is None where no steps were asked for.

    `outcome` is the state of runs, or the reason's code of skipped occurrences.
    """

    start: datetime | None
    outcome: str
    count: int


@frozen
class WorldSpan:
    """A span in which the daemon could not start anything, or a step of the clock.

    `kind` is "down", "suspended", "clock_forward" or "clock_back".
    """

    kind: str
    since: datetime
    until: datetime
    text: str


@frozen
class StartsFound:
    """Starts to come, ascending; complete until `until`."""

    starts: Sequence[UpcomingStart]
    until: datetime


@frozen(kw_only=True)
class JobSpan:
    """The records of a job in a span of time: one by one, or as numbers where there are too many."""

    runs: Sequence[Run]
    """The runs that were queued in the span or before it and were open in it, newest first; if there are more than were
    asked for, those that are open now."""
    skips: Sequence[Decision]
    """The decisions not to run, newest first; empty if there are more than were asked for."""
    counts: Sequence[RecordCount]
    """The numbers of runs that are over, and of skips as "decided_skip", by step, where there are too many."""
    run_count: int
    skip_count: int
    earlier: Sequence[Run]
    """Some other runs, newest first, from which the usual duration follows."""
    starts: Sequence[UpcomingStart]
    """The scheduled starts to come in the span."""
    starts_until: datetime
    """They are complete until then."""


@frozen(kw_only=True)
class JobTrends:
    """The trends of all runs of a job on record, and what belongs to them."""

    counts: Sequence[RecordCount]
    """The numbers of its runs that are over, by state."""
    durations: Sequence[timedelta]
    """The durations of its newest successful runs, newest first."""
    trends: Trends


@frozen(kw_only=True)
class SkipGroup:
    """Skips of a job for one reason: decisions not to run, or runs that were skipped after a wait."""

    job: str
    reason: str
    """The code of the reason, or the state of runs without one."""
    count: int
    examined: int
    """Number of them that were read, the newest: `kinds` is about these."""
    starts: int
    """Number of starts that they are about."""
    has_more_starts: bool
    """True if there may be more starts than were counted."""
    last_at: datetime
    """The instant at which the newest of them was due."""
    newest: Decision | Run | None
    """None if it can't be read, because another version wrote it."""
    kinds: Mapping[str, int] = field(factory=dict)
    """Numbers of them by what their reasons name, such as 'guard "holidays"'; empty if they name nothing."""


@frozen
class ComparedDurations:
    """The median durations of a job's successful runs before a span and in it, and the number of those in it."""

    job: str
    before: timedelta
    now: timedelta
    runs: int


@frozen(kw_only=True)
class DigestRecords:
    """The part of the records of a span that a digest is about."""

    counts: Sequence[RecordCount]
    """The numbers of runs that are over, by state."""
    skip_counts: Sequence[RecordCount]
    """The numbers of decisions not to run, by reason."""
    failures: Sequence[tuple[Run, bool]]
    """The newest runs that failed, newest first, each with whether a later run of its job is known to have succeeded.
    """
    skips: Sequence[SkipGroup]
    """The skips in groups; the group with the newest of them comes first."""
    examined_skips: int
    """The number of skips that `skips` is about."""
    durations: Sequence[ComparedDurations]
    """The jobs that had enough runs before the span, of the `examined_jobs` of `all_jobs` that may have had runs."""
    examined_jobs: int
    all_jobs: int


@frozen
class ExpectedCounts:
    """The number of starts that are due in each step of time, by the start of the step; complete until `until`."""

    counts: Mapping[datetime, int]
    until: datetime
    is_pending: bool = False
    """True while they are still being computed: ask again."""


class RecordSource(Protocol):
    """Reads what screens need."""

    has_daemon: bool

    @property
    def zone(self) -> ZoneInfo:
        """The configured time zone."""
        ...

    def now(self) -> datetime:
        """Return the present instant."""
        ...

    async def seen_until(self) -> datetime | None:
        """Return when a daemon saw the runs last that are active on record; None while one looks after them."""
        ...

    async def lead_text(self) -> str:
        """Return which daemon leads where no other answers, as a clause: "process 1 on nas leads"; "" if none does."""
        ...

    async def status(self) -> Mapping[str, Any]:
        """Return the record of `rae-auto status --json`."""
        ...

    async def max_parallel(self) -> int:
        """Return how many attempts may run at once."""
        ...

    async def jobs(self, text: str = "", *, offset: int = 0, limit: int = 50) -> JobsFound:
        """Return jobs whose names contain a text, from the `offset`-th on."""
        ...

    async def job(self, job: str, *, asks_guards: bool = False) -> JobFacts:
        """Return a job, by its id or one that it had before, and what is known of it. Errors: JobNotFound.

        `asks_guards` has guards read the machine.
        """
        ...

    async def runs(
        self,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        states: Sequence[str] = (),
        limit: int = 100,
    ) -> Sequence[Run]:
        """Return the runs that were queued in a span, those that are open included, newest first."""
        ...

    async def trends(self, job: str, *, max_durations: int) -> JobTrends:
        """Return the trends of all runs of a job, grouped where the records are, and the newest durations."""
        ...

    async def run(self, run: str) -> Run:
        """Return a run by its id, or the begin of it. Errors: RunNotFound."""
        ...

    async def runs_by_id(self, runs: Sequence[str]) -> Mapping[str, Run]:
        """Return runs by their whole ids, those that are found, in one question."""
        ...

    async def newest_runs(
        self, jobs: Sequence[str], *, states: Sequence[str] = (), limit: int = 1
    ) -> Mapping[str, Sequence[Run]]:
        """Return the newest runs of each of these jobs, newest first, in one question."""
        ...

    async def newest_skips(self, jobs: Sequence[str], *, limit: int = 1) -> Mapping[str, Sequence[Decision]]:
        """Return the newest decisions that led to no run of each of these jobs, newest first, in one question."""
        ...

    async def durations(
        self,
        jobs: Sequence[str] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> Mapping[str, Sequence[timedelta]]:
        """Return how long successful runs of a span took, by job, newest first, in one question.

        They are the `limit` newest ones of each of these jobs, or of all jobs together.
        """
        ...

    async def digest_records(
        self, since: datetime, until: datetime, least: timedelta, *, max_rows: int | None = None
    ) -> DigestRecords:
        """Return what a digest says of the records from `since` to before `until`, in one question.

        Jobs whose runs take less than `least` are not compared with earlier ones; from `NOTHING_COMPARED` on none are,
        and no failure with what came after it. `max_rows` is the number of failures, the newest, and of groups of
        skips, the most frequent, that are wanted.
        """
        ...

    async def skips(
        self,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[Decision]:
        """Return the decisions that led to no run, of a span of decision times, newest first."""
        ...

    async def count(
        self,
        kind: str,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        step: timedelta | None = None,
    ) -> Sequence[RecordCount]:
        """Return how many records of a kind (`RUNS`, `SKIPS`) there are in a span, by outcome and step of time.

        Runs count at the instant at which they were queued, as in `runs`, but only those that are over. Steps are
        whole minutes and begin at `since`, which is part of the span; `until` isn't.
        """
        ...

    async def count_steps(
        self, kind: str, since: datetime, until: datetime, step: timedelta
    ) -> Mapping[str, Sequence[int]]:
        """Return how many records of a kind there are in each step of a span, by outcome, as `count` has them.

        For a grid of many steps, of which `count` would make a record for each number.
        """
        ...

    async def count_each(self, kind: str, jobs: Sequence[str]) -> Mapping[str, Sequence[RecordCount]]:
        """Return how many records of a kind each of these jobs has, by outcome, in one question."""
        ...

    async def job_spans(
        self, jobs: Sequence[str], since: datetime, until: datetime, step: timedelta, limit: int
    ) -> Mapping[str, JobSpan]:
        """Return the records of jobs in a span, of each at most `limit` runs and as many skips, or numbers instead."""
        ...

    async def starts(
        self, job: str | None, since: datetime, until: datetime, limit: int = 100, *, max_each: int | None = None
    ) -> StartsFound:
        """Return the scheduled starts to come, of a job or of all; of each the first `max_each`, or all."""
        ...

    async def expected(
        self, since: datetime, until: datetime, step: timedelta, *, max_wait: timedelta = timedelta(0)
    ) -> ExpectedCounts:
        """Return how many scheduled starts of all jobs are due in each step of a span to come.

        They are computed in the background. The answer waits for that only up to `max_wait`, and may be incomplete.
        """
        ...

    async def started_jobs(self, minutes: Sequence[datetime], limit: int) -> Mapping[datetime, Sequence[str]]:
        """Return the jobs of the newest `limit` runs that were queued in each of these minutes and are over."""
        ...

    async def due_jobs(self, minutes: Sequence[datetime]) -> Mapping[datetime, Sequence[str]]:
        """Return some jobs that are due in minutes to come, of those that are among the busiest of their day.

        They are computed with the numbers of `expected`.
        """
        ...

    async def day_notes(self, since: datetime, until: datetime) -> Mapping[date, Sequence[str]]:
        """Return what guards that depend on the date alone forbid on the days of a span, by the configured zone."""
        ...

    async def why(self, job: str, at: str | None = None, run: str | None = None) -> Mapping[str, Any]:
        """Return the record of `rae-auto why --json`. Errors: JobNotFound, RunNotFound, BadRequest."""
        ...

    async def output(self, run: Run, attempt: int, *, start: int, limit: int, is_exact: bool = False) -> OutputPart:
        """Return whole lines of the output of an attempt, about `limit` bytes.

        They begin at the byte `start`, counted from the end if negative, or, unless `is_exact`, with the next line.
        """
        ...

    async def search_output(self, run: Run, attempt: int, pattern: str, *, start: int = 0) -> OutputMatches:
        """Return the lines of an output that match a regular expression, for some seconds. Errors: BadRequest."""
        ...

    async def search_outputs(
        self, outputs: Sequence[tuple[Run, int]], pattern: str, *, first: int = 0, start: int = 0
    ) -> MergedMatches:
        """Return the lines of the outputs of attempts that match a regular expression, for some seconds.

        One is searched after the other, from the byte `start` of the `first` one on. Errors: BadRequest.
        """
        ...

    def merge_outputs(self, outputs: Sequence[tuple[Run, int, str]]) -> AsyncIterator[bytes]:
        """Yield the whole outputs of attempts as one text by time; each has a label, which its lines begin with."""
        ...

    def present_processes(self, pids: Sequence[int]) -> frozenset[int]:
        """Return those of these processes of this machine that exist."""
        ...

    async def health(self) -> Mapping[str, Any]:
        """Return the facts of `rae-auto health --json`."""
        ...

    async def findings(self) -> Sequence[Mapping[str, Any]]:
        """Return the records of `rae-auto doctor --json`; this may take a second."""
        ...

    async def disk_sizes(self) -> Sequence[Fact]:
        """Return what store, output and log take on the disk, beside their limits; this may take a second."""
        ...

    async def outbox(self) -> Sequence[Mapping[str, Any]]:
        """Return the records of notices that are not delivered yet."""
        ...

    async def world(self, since: datetime, until: datetime) -> Sequence[WorldSpan]:
        """Return the downtimes, suspensions and steps of the clock in a span, ascending."""
        ...
