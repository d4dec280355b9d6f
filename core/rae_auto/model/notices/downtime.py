"""Downtimes of the daemon: since when it was gone, why, and the decisions on the starts that fell due meanwhile."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from attrs import evolve, field, frozen

from rae_auto.model.primitives.formatting import format_count, format_elapsed
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons.base import TimeFormat

MAX_NAMED_JOBS = 10
"""Number of jobs whose starts are counted one by one; those of others are only in the sums."""


class DowntimeCause(StrEnum):
    """The way in which the last daemon ended, as far as its notes tell."""

    STOPPED = "stopped"
    SHUT_DOWN = "shut_down"
    KILLED = "killed"
    POWER_LOST = "power_lost"
    UNKNOWN = "unknown"

    @property
    def text(self) -> str:
        """The cause as a clause, "" if it is unknown."""
        return _TEXTS[self]

    @property
    def is_end_known(self) -> bool:
        """True if the daemon noted its end, so that it is known when no daemon ran from then on.

        Otherwise only its last sign of life is known: a note that it makes each minute, or a later record.
        """
        return self in (DowntimeCause.STOPPED, DowntimeCause.SHUT_DOWN)


_TEXTS = {
    DowntimeCause.STOPPED: "the last one was stopped",
    DowntimeCause.SHUT_DOWN: "the machine was shut down or restarted",
    DowntimeCause.KILLED: "the last one crashed or was killed",
    DowntimeCause.POWER_LOST: "the machine crashed or lost its power",
    DowntimeCause.UNKNOWN: "",
}


@frozen(kw_only=True)
class Downtime:
    """A span in which no daemon ran, kept until it is reported, and after that so that it isn't reported again.

    `since` is the end of the last daemon, or its last sign of life where it could not note its end.
    `late` counts the missed starts that run late, and `skipped` those that don't, by job. `other_late` and
    `other_skipped` are those of further jobs. With `has_more` a job has missed more starts than were counted.
    """

    since: datetime
    until: datetime
    cause: DowntimeCause = DowntimeCause.UNKNOWN
    late: Mapping[JobId, int] = field(factory=dict)
    skipped: Mapping[JobId, int] = field(factory=dict)
    other_late: int = 0
    other_skipped: int = 0
    has_more: bool = False
    is_reported: bool = False

    def with_starts(self, job: JobId, late: int, skipped: int, *, has_more: bool) -> "Downtime":
        """Return it with further missed starts of a job."""
        named = {*self.late, *self.skipped}
        counted = evolve(self, has_more=self.has_more or has_more)
        if job not in named and len(named) >= MAX_NAMED_JOBS:
            return evolve(counted, other_late=self.other_late + late, other_skipped=self.other_skipped + skipped)
        return evolve(counted, late=_add(self.late, job, late), skipped=_add(self.skipped, job, skipped))

    def describe(self, time: TimeFormat) -> str:
        """Return in one line since when no daemon ran, for how long, why, and the decisions on missed starts."""
        why = f", because {self.cause.text}" if self.cause.text else ""
        since, until, length = time(self.since), time(self.until), format_elapsed(self.until - self.since)
        exact, at_most = (
            f"{length} (from {since} to {until})",
            f"at most {length} (last seen at {since}, back at {until})",
        )
        span = exact if self.cause.is_end_known else at_most
        late = _describe("run late now", self.late, self.other_late, more="")
        skipped = _describe("were skipped", self.skipped, self.other_skipped, more="more than " * self.has_more)
        starts = "; ".join(part for part in (late, skipped) if part) or "no start was missed"
        return f"the daemon is back: none ran for {span}{why}; {starts}"


def _add(counts: Mapping[JobId, int], job: JobId, number: int) -> Mapping[JobId, int]:
    return {**counts, job: counts.get(job, 0) + number} if number else counts


def _describe(what: str, counts: Mapping[JobId, int], others: int, more: str) -> str:
    """Return how many starts have this outcome, with the jobs of most of them; "" if none has."""
    total = sum(counts.values()) + others
    if not total:
        return ""
    names = [f"{job} ({number})" if number > 1 else job for job, number in counts.items()]
    names += [f"{others} of other jobs"] if others else []
    verb = what.replace("run ", "runs ").replace("were ", "was ") if total == 1 and not more else what
    return f"{more}{format_count(total, 'start')} {verb}: {', '.join(names)}"
