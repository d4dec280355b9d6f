"""Occurrences, and the decisions on them with their reasons, as `rae-auto why` shows them."""

import hashlib
from base64 import b32encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import frozen

from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Cause, Skip

MANUAL = "manual"
"""The trigger id of runs that a person or program requested."""


@frozen
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


@frozen
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


ULID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID_TIME_CHARACTERS = 10
_CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ULID_ALPHABET.encode())
"""From the alphabet of RFC 4648 to that of ULIDs."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MILLISECONDS = (int(datetime.max.replace(tzinfo=UTC).timestamp()) - 1) * 1000


def run_id_of(occurrence: Occurrence, now: Moment) -> RunId:
    """Return the id of an occurrence's run: a ULID (time of queueing, then 80 bits), sortable by age.

    Its random part is a hash of the occurrence's identity, so that the engine stays deterministic, and of the
    monotonic clock, since one on the wall may show the same time twice. Format: https://github.com/ulid/spec
    """
    words = "\0".join((*occurrence.identity, repr(now.mono)))
    digest = hashlib.blake2b(words.encode(errors="surrogatepass"), digest_size=10).digest()
    number = int(now.wall.timestamp() * 1000) << 80 | int.from_bytes(digest, "big")
    # 26 letters of 5 bits hold 130, of which the first two are 0; base 32 comes in groups of 8 letters.
    return RunId(b32encode((number << 30).to_bytes(20, "big")).translate(_CROCKFORD)[:26].decode())


def queue_time_of(run: str) -> datetime:
    """Return the instant in the first ten characters of a run's id. Errors: ValueError, if it has another form."""
    milliseconds = 0
    for character in run[:ULID_TIME_CHARACTERS]:
        milliseconds = milliseconds * len(ULID_ALPHABET) + ULID_ALPHABET.index(character)
    return _EPOCH + timedelta(milliseconds=min(milliseconds, _MAX_MILLISECONDS))
