"""Occurrences, and the decisions on them with their reasons, as `rae-auto why` shows them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import frozen

from rae_auto.model.primitives.evolving.slots import quick_init
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId, digest
from rae_auto.model.reasons import Cause, Missed, Skip

MANUAL = "manual"
"""The trigger id of runs that a person or program requested."""


@quick_init
@frozen(weakref_slot=False)
class Occurrence:
    """One firing of one trigger. `(job, trigger, key)` is its identity: it is decided once."""

    job: JobId
    trigger: str
    key: str
    at: datetime
    event: Mapping[str, Any] | None = None

    @property
    def identity(self) -> tuple[JobId, str, str]:
        return (self.job, self.trigger, self.key)


class Outcome(StrEnum):
    """Outcome of an occurrence."""

    RUN = "run"
    SKIP = "skip"


@quick_init
@frozen(weakref_slot=False)
class Decision:
    """The decision on one occurrence, and its reason.

    Instants that are skipped together have one decision, that of the last of them: it is about `count` instants of
    the trigger, the first of which is `since`.
    """

    job: JobId
    trigger: str
    key: str
    at: datetime
    outcome: Outcome
    reason: Cause | Skip
    decided_at: datetime
    run: RunId | None = None
    since: datetime | None = None
    count: int = 1

    @property
    def has_more(self) -> bool:
        """True if it is about more instants than were counted."""
        return isinstance(self.reason, Missed) and self.reason.has_older


ULID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID_TIME_CHARACTERS = 10
_LETTER_PAIRS = [first + second for first in ULID_ALPHABET for second in ULID_ALPHABET]
"""The notation of ten bits; a table, because the base 32 of the standard library takes five times as long."""
_LOW_BITS = (1 << 40) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MILLISECONDS = (int(datetime.max.replace(tzinfo=UTC).timestamp()) - 1) * 1000


def run_id_of(occurrence: Occurrence, now: Moment) -> RunId:
    """Return the id of an occurrence's run: a ULID (time of queueing, then 80 bits), sortable by age.

    Its random part is a hash of the occurrence's identity, so that the engine stays deterministic, and of the
    monotonic clock, since one on the wall may show the same time twice. Format: https://github.com/ulid/spec
    """
    pairs = _LETTER_PAIRS
    text = f"{occurrence.job}\0{occurrence.trigger}\0{occurrence.key}\0{now.mono!r}"
    number = int.from_bytes(digest(text, 10), "big")
    # Python shifts a number of 40 bits faster than one of 80.
    high, low = number >> 40, number & _LOW_BITS
    # Not cached: to hash an instant takes longer than this.
    time = int(now.wall.timestamp() * 1000)
    return RunId(
        f"{pairs[time >> 40]}{pairs[time >> 30 & 1023]}{pairs[time >> 20 & 1023]}{pairs[time >> 10 & 1023]}"
        f"{pairs[time & 1023]}{pairs[high >> 30]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}"
        f"{pairs[high & 1023]}{pairs[low >> 30]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )


def queue_time_of(run: str) -> datetime:
    """Return the instant in the first ten characters of a run's id. Errors: ValueError, if it has another form."""
    milliseconds = 0
    for character in run[:ULID_TIME_CHARACTERS]:
        milliseconds = milliseconds * len(ULID_ALPHABET) + ULID_ALPHABET.index(character)
    return _EPOCH + timedelta(milliseconds=min(milliseconds, _MAX_MILLISECONDS))
