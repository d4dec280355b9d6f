"""Skips and blocks: why an occurrence led to no run, and why a run waits."""

from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.model.guard import EXECUTOR_GUARD, GuardResult, Verdict
from rae_auto.model.policies import CatchUp
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.reasons.base import MissedCause, ReasonBase, TimedReason, TimeFormat


@frozen
class Overlapping(TimedReason):
    """Another open run of the same job."""

    code = "overlap"
    meaning = 'skipped, or waits: the job still has an open run, and its `overlap` is `"skip"` or `"queue"`'

    run: RunId
    since: datetime

    def describe(self, time: TimeFormat) -> str:
        return f"run {self.run} of the same job has been open since {time(self.since)} (overlap)"

    def describe_past(self, time: TimeFormat) -> str:
        return f"run {self.run} of the same job had been open since {time(self.since)} (overlap)"


@frozen
class QueueFull(ReasonBase):
    """A run of the same job that waits already."""

    code = "queue_full"
    meaning = 'skipped: one run of the job was waiting already, and its `overlap` is `"queue"`'

    run: RunId

    @property
    def text(self) -> str:
        return f"another run is waiting already behind run {self.run} (overlap = queue)"

    def describe_past(self, time: TimeFormat) -> str:
        return f"another run was waiting already behind run {self.run} (overlap = queue)"


@frozen
class QueueLimit(ReasonBase):
    """The limit on waiting runs of all jobs."""

    code = "queue_limit"
    meaning = "skipped, or refused: as many runs of all jobs as `max_queue` allows were waiting already"

    waiting: int

    @property
    def text(self) -> str:
        runs = "1 run is" if self.waiting == 1 else f"{self.waiting} runs are"
        return f"{runs} waiting already, counting all jobs (max_queue)"

    def describe_past(self, time: TimeFormat) -> str:
        runs = "1 run was" if self.waiting == 1 else f"{self.waiting} runs were"
        return f"{runs} waiting already, counting all jobs (max_queue)"


@frozen
class MaxOverlap(ReasonBase):
    """The limit on open runs of one job."""

    code = "max_overlap"
    meaning = "skipped, or waits: the job had as many open runs as its `overlap_max` allows"

    limit: int

    @property
    def text(self) -> str:
        runs = "1 run of the same job is" if self.limit == 1 else f"{self.limit} runs of the same job are"
        return f"{runs} open already (overlap_max)"

    def describe_past(self, time: TimeFormat) -> str:
        runs = "1 run of the same job was" if self.limit == 1 else f"{self.limit} runs of the same job were"
        return f"{runs} open already (overlap_max)"


@frozen
class Repeated(TimedReason):
    """An occurrence that was decided before."""

    code = "repeated"
    meaning = "refused: the same occurrence was decided before; each occurrence is decided once"

    decided_at: datetime

    def describe(self, time: TimeFormat) -> str:
        return f"the same occurrence was decided before, at {time(self.decided_at)}"


@frozen
class Paused(TimedReason):
    """A job that is paused, until an instant or until it is resumed."""

    code = "paused"
    meaning = "skipped, or waits: the job is paused, for a while or until it is resumed"

    until: datetime | None = None
    note: str = ""

    def describe(self, time: TimeFormat) -> str:
        return f"the job {self.describe_state(time)}; 'rae-auto resume' lets it go on"

    def describe_past(self, time: TimeFormat) -> str:
        return f"the job {self.describe_state(time).replace('is paused', 'was paused', 1)}"

    def describe_state(self, time: TimeFormat) -> str:
        """Return the pause as "is paused until … (note: …)"."""
        until = "" if self.until is None else f" until {time(self.until)}"
        note = f" (note: {self.note})" if self.note else ""
        return f"is paused{until}{note}"


@frozen
class SkippedByHand(TimedReason):
    """A start that a person or a program asked to skip."""

    code = "skipped_by_hand"
    meaning = "skipped: a person or a program asked to skip this start, with `rae-auto skip`"

    requested_at: datetime

    def describe(self, time: TimeFormat) -> str:
        return f"it was skipped by hand, as requested at {time(self.requested_at)}"


@frozen
class Disabled(ReasonBase):
    """A job or a configuration with `enabled = false`."""

    code = "disabled"
    meaning = "skipped, or waits: the job, or the whole configuration, has `enabled = false`"

    @property
    def text(self) -> str:
        return "the job or the whole configuration is disabled (enabled = false)"

    def describe_past(self, time: TimeFormat) -> str:
        return "the job or the whole configuration was disabled (enabled = false)"


@frozen
class Missed(TimedReason):
    """Instants that passed while nothing could start them, given up together.

    `first` to `last` is the span; `count` counts the latest of them. With `has_older` there were more, which are
    not counted, and `first` is the instant after which they were due.
    `window` is the greatest age for catching up, if all of them are older.
    """

    code = "missed"
    meaning = "skipped: the instant passed while nothing could start it, and `catch_up` or its window leaves it out"

    cause: MissedCause
    first: datetime
    last: datetime
    count: int
    has_older: bool
    catch_up: CatchUp
    window: timedelta | None = None

    def describe(self, time: TimeFormat) -> str:
        # The daemon was down for longer than that: these are the times that were due.
        is_one = self.first == self.last
        window = "" if self.window is None else format_duration(self.window)
        policy = f'older than catch_up_window = "{window}"' if window else f"catch_up = {self.catch_up}"
        number = f" {self.count:,} times" if self.count > 1 else ""
        if self.has_older:
            due = f"{' more than' if number else ''}{number} after {time(self.first)}, until {time(self.last)}"
        else:
            due = f" at {time(self.last)}" if is_one else f"{number} from {time(self.first)} until {time(self.last)}"
        return f"it was missed: {self.cause.text} (due{due}; {policy})"


@frozen
class NeedFailed(ReasonBase):
    """A needed job whose latest run did not succeed."""

    code = "need_failed"
    meaning = "skipped, or waits: the latest run of a needed job did not succeed"

    job: JobId

    @property
    def text(self) -> str:
        return f'the latest run of "{self.job}", which it needs, did not succeed'


@frozen
class NeedNeverRan(ReasonBase):
    """A needed job that has no finished run."""

    code = "need_never_ran"
    meaning = "skipped, or waits: a needed job has not run yet"

    job: JobId

    @property
    def text(self) -> str:
        return f'"{self.job}", which it needs, has no result yet'

    def describe_past(self, time: TimeFormat) -> str:
        return f'"{self.job}", which it needs, had no result yet'


@frozen
class NeedRunning(ReasonBase):
    """A needed job that has an open run."""

    code = "need_running"
    meaning = "waits: a needed job is queued or running"

    job: JobId

    @property
    def text(self) -> str:
        return f'"{self.job}", which it needs, has an open run'

    def describe_past(self, time: TimeFormat) -> str:
        return f'"{self.job}", which it needs, had an open run'


@frozen
class GuardBlocked(ReasonBase):
    """A guard that does not let the job start, with its verdict and its own reason."""

    code = "guard"
    meaning = "skipped, or waits: a [guard](guards.md) of the job says no, or can't tell"

    guard: str
    verdict: Verdict
    reason: str

    @classmethod
    def from_result(cls, guard: str, result: GuardResult) -> "GuardBlocked":
        """Return the reason for what a guard answered."""
        kind = NoWorker if guard == EXECUTOR_GUARD else cls
        return kind(guard, result.verdict, result.reason)

    @property
    def text(self) -> str:
        return self._describe("can't tell" if self.verdict is Verdict.UNKNOWN else f"says {self.verdict}")

    def describe_past(self, time: TimeFormat) -> str:
        return self._describe("couldn't tell" if self.verdict is Verdict.UNKNOWN else f"said {self.verdict}")

    def _describe(self, answer: str) -> str:
        # A guard's author may write a whole sentence, or nothing; here it is the end of a clause.
        own_words = self.reason.rstrip(" .")
        return f'its guard "{self.guard}" {answer}' + (f": {own_words}" if own_words else "")


@frozen
class NoWorker(GuardBlocked):
    """An executor that can't start attempts now, because the machine or the worker that it needs is away."""

    code = "no_worker"
    meaning = "waits: the machine that its executor needs is away, or no worker of a cluster can take the job"

    @property
    def text(self) -> str:
        return f"its executor is not ready: {self.reason}"

    def describe_past(self, time: TimeFormat) -> str:
        return f"its executor was not ready: {self.reason}"


@frozen
class GuardsPending(ReasonBase):
    """Guards that have been asked and have not answered yet."""

    code = "guards_pending"
    meaning = "waits: its guards are being read"

    @property
    def text(self) -> str:
        return "its guards are being read"

    def describe_past(self, time: TimeFormat) -> str:
        return "its guards were being read"


@frozen
class FeedbackLoop(ReasonBase):
    """A job that seems to make its own trigger fire."""

    code = "feedback_loop"
    meaning = "skipped: its trigger fired again and again during or right after its own runs; the job seems to cause it"

    times: int
    within: timedelta

    @property
    def text(self) -> str:
        times = "1 time" if self.times == 1 else f"{self.times} times"
        return (
            f"its trigger fired {times} within {format_duration(self.within)}, each time during a run of the job or "
            "right after it; check whether the job changes what its trigger watches"
        )


@frozen
class StartDelayed(TimedReason):
    """A jitter, the distance between runs that are caught up, or the delay after an event."""

    code = "delayed"
    meaning = (
        "waits: for its jitter, because missed runs that are caught up start one after another, or for the `delay` of "
        "its trigger"
    )

    until: datetime
    is_after_event: bool = False

    @property
    def cause(self) -> str:
        """The cause of the delay, in words."""
        return "the delay of its trigger" if self.is_after_event else "jitter, or the distance between missed runs"

    def describe(self, time: TimeFormat) -> str:
        return f"it starts at {time(self.until)} at the earliest ({self.cause})"


@frozen
class RetryDelayed(TimedReason):
    """The delay before a retry; `end` is the end of the attempt before it, in words."""

    code = "retry_delay"
    meaning = "waits: for the delay of a retry"

    attempt: int
    max_attempts: int
    end: str
    until: datetime

    def describe(self, time: TimeFormat) -> str:
        return f"{self._describe_attempt()}; attempt {self.attempt + 1} starts at {time(self.until)}"

    def describe_past(self, time: TimeFormat) -> str:
        return f"{self._describe_attempt()}; attempt {self.attempt + 1} was due at {time(self.until)}"

    def _describe_attempt(self) -> str:
        # A run that was lost in a crash may have more attempts than its policy says.
        of = f" of {self.max_attempts}" if self.attempt < self.max_attempts else ""
        return f"attempt {self.attempt}{of} {self.end}"


@frozen
class DaemonStopping(ReasonBase):
    """A daemon that is shutting down."""

    code = "stopping"
    meaning = "interrupted, or waits: the daemon is shutting down"

    @property
    def text(self) -> str:
        return "the daemon is shutting down"

    def describe_past(self, time: TimeFormat) -> str:
        return "the daemon was shutting down"


@frozen
class InternalFault(ReasonBase):
    """A fault of the engine."""

    code = "internal_fault"
    meaning = "waits: a fault in the engine kept it from starting; it is tried again each minute"

    error: str

    @property
    def text(self) -> str:
        return f"a fault in rae-auto keeps it from starting ({self.error}); it is tried again each minute"


@frozen
class UnusableJob(ReasonBase):
    """A job that can't be used, for instance because a plugin that it names is gone."""

    code = "unusable"
    meaning = "skipped, refused, or waits: the job can't be used, for instance because a plugin that it names is gone"

    problem: str

    @property
    def text(self) -> str:
        return f"the job can't be used: {self.problem}"
