"""Quarantine: failures of plugins are counted, reported once for each distinct error, and answered.

Theory. A plugin that fails again and again costs something each time: a log line, a process, a delivery that waits. So
it is disabled for a time, and then tried once, as a circuit breaker does:

    in use ── MAX_FAILURES_IN_A_ROW failures ──► quarantined ── the interval has passed ──► on trial (one use)
       ▲                                             ▲                                          │
       └──────────────── it succeeds ────────────────┼──────────────────────────────────────────┤
                                                     └── it fails: twice the interval, at most MAX_INTERVAL_SECONDS

- *In a row* means without a success between them, and without `HEALTHY_SECONDS` between two of them: a source that
  fails once a month works, though it reports no successes.
- Failures of the *environment* (disk full, network gone, store not writable) are reported but don't count. They end by
  themselves, and a plugin that is disabled meanwhile would miss that.
- It is known by its place of use, so that a notifier that fails for one address still serves another.
- Guards are never quarantined: one that fails answers UNKNOWN, which starts nothing, and is evaluated again. Nor are
  executors and stores, in whose place nothing else could do the work.
- A schedule that breaks its contract is quarantined *for good*, until a reload: it computes its instants, so the same
  question would get the same answer.
"""

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

from attrs import define, field
from loguru import logger

from rae_auto.api.plugin import Kind
from rae_auto.api.store import Store
from rae_auto.model.primitives.formatting import describe_raise, format_elapsed, with_place
from rae_auto.model.primitives.units import count_of
from rae_auto.registry.author_hints import describe_author_hint, find_author_hint
from rae_auto.toolkit.secrets.masking import mask_known_secrets

MAX_FAILURES_IN_A_ROW = 10
"""Number of failures in a row after which a plugin is quarantined."""

MAX_REPORTED_ERRORS = 20
"""Number of distinct errors of a plugin that are logged; further ones are only counted."""

HEALTHY_SECONDS = 900.0
"""Time without a failure after which the next failure begins a new row."""

MIN_INTERVAL_SECONDS = 60.0
"""Time in quarantine before the first trial."""

MAX_INTERVAL_SECONDS = 3600.0
"""Longest time in quarantine before a trial."""

SLOW_COMMIT_SECONDS = 1.0
"""Time after which a commit counts as slow."""

MIN_SLOW_COMMITS = 3
"""Slow commits in a row that count: a disk that stops for a while delays one."""

_ALWAYS_USED = frozenset({Kind.GUARD, Kind.EXECUTOR, Kind.STORE})
"""Kinds of plugins that are used again whatever they did."""


def place_of_source(job: str, trigger: str) -> str:
    """Return the place of use under which the quarantine knows the source of a job."""
    return f"{job}.{trigger}"


@define
class _Record:
    distribution: str
    failures: int = 0
    in_a_row: int = 0
    last_failure_at: float = 0.0
    failing_since: float = 0.0
    """The first failure of the row."""
    errors: set[str] = field(factory=set)
    last: str = ""
    is_for_good: bool = False
    interval: float = 0.0
    """Seconds from the last failure to the next trial; 0 if it isn't quarantined."""
    trial_at: float = 0.0
    remark: str | None = None
    """A line about its harm to others, such as a blocked event loop, and the hint."""


class Quarantine:
    """Counts failures by plugin and place."""

    def __init__(self, distribution: Callable[[Kind, str], str], clock: Callable[[], float] = time.monotonic) -> None:
        """Count from nothing.

        `distribution` returns the distribution and version of a plugin, `clock` seconds that only grow.
        """
        self._distribution = distribution
        self._clock = clock
        self._records: dict[tuple[Kind, str, str], _Record] = {}
        self._hung: set[tuple[Kind, str]] = set()

    def failed(
        self, kind: Kind, plugin: str, place: str, error: object, *, for_good: bool = False, is_reported: bool = False
    ) -> None:
        """Record a failure of a plugin at a place of use.

        `for_good` quarantines it at once and until a reload; `is_reported` says that the caller has logged it.
        """
        text = self._describe(error)
        name = (kind, plugin, place)
        record = self._records.get(name) or self._records.setdefault(name, _Record(self._distribution(kind, plugin)))
        called = f'{kind} "{plugin}" of {record.distribution}'
        record.failures += 1
        record.last = text
        is_counted = kind is Kind.GUARD or not is_environmental(error)
        is_new = text not in record.errors and len(record.errors) < MAX_REPORTED_ERRORS
        if is_new:
            record.errors.add(text)
        hint = _describe_hint(kind, error, text)
        if for_good and is_counted and not record.is_for_good:
            logger.critical("{} is quarantined ({}): {}; {}{}", called, place, text, _ADVICE, hint)
        elif is_new and not is_reported:
            logger.error("{} failed ({}): {}{}", called, place, text, hint)
        if not is_counted:
            return
        self._count(record)
        if for_good:
            record.is_for_good = True
        elif kind not in _ALWAYS_USED and record.in_a_row >= MAX_FAILURES_IN_A_ROW:
            self._lengthen(record, called, place)

    def describe_failure(self, kind: Kind, plugin: str, error: BaseException, *, with_hint: bool = False) -> str:
        """Return a failure as a clause: the plugin with its distribution, and the error with its line.

        `with_hint` adds what its author should change.
        """
        text = self._describe(error)
        hint = _describe_hint(kind, error, text) if with_hint else ""
        return f'{kind} "{plugin}" of {self._distribution(kind, plugin)} failed: {text}{hint}'

    def note(self, kind: Kind, plugin: str, place: str, text: str) -> None:
        """Record, once, harm to others by a plugin that stays in use; it counts as a problem until a reload."""
        record = self._records.get((kind, plugin, place))
        if record is None:
            record = self._records[kind, plugin, place] = _Record(self._distribution(kind, plugin))
        if record.remark is None:
            record.remark = text = mask_known_secrets(text)
            logger.error('{} "{}" of {} ({}): {}', kind, plugin, record.distribution, place, text)

    def _describe(self, error: object) -> str:
        text = describe_raise(error) if isinstance(error, BaseException) else " ".join(str(error).split())[:300]
        return mask_known_secrets(text)

    def _count(self, record: _Record) -> None:
        now = self._clock()
        if now - record.last_failure_at > HEALTHY_SECONDS + record.interval:
            record.in_a_row, record.interval = 0, 0.0
        if not record.in_a_row:
            record.failing_since = now
        record.in_a_row += 1
        record.last_failure_at = now

    def _lengthen(self, record: _Record, called: str, place: str) -> None:
        is_new = not record.interval
        record.interval = min(max(2 * record.interval, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)
        record.trial_at = record.last_failure_at + record.interval
        if is_new:
            logger.critical(
                "{} is quarantined ({}) after {} in a row, to be tried again in {}; 'rae-auto reload' tries it now",
                called,
                place,
                count_of(record.in_a_row, "failure"),
                format_elapsed(record.interval),
            )

    def succeeded(self, kind: Kind, plugin: str, place: str) -> None:
        """Record a success, which ends a row of failures and the quarantine."""
        record = self._records.get((kind, plugin, place))
        if record is None or record.is_for_good:
            return
        if record.interval:
            logger.info('{} "{}" of {} works again ({})', kind, plugin, record.distribution, place)
        record.in_a_row, record.interval = 0, 0.0

    def is_quarantined(self, kind: Kind, plugin: str, place: str) -> bool:
        """Return whether the plugin is quarantined, including while on trial."""
        record = self._records.get((kind, plugin, place))
        return record is not None and (record.is_for_good or record.interval > 0)

    def may_use(self, kind: Kind, plugin: str, place: str) -> bool:
        """Return whether the plugin may be used now. In quarantine one use in each interval is allowed, as a trial."""
        record = self._records.get((kind, plugin, place))
        if record is None:
            return True
        if record.is_for_good:
            return False
        if not record.interval:
            return True
        now = self._clock()
        if now < record.trial_at:
            return False
        record.trial_at = now + record.interval
        return True

    def seconds_to_trial(self, kind: Kind, plugin: str, place: str) -> float:
        """Return the seconds until the plugin may be used again; 0 if it may be used now."""
        record = self._records.get((kind, plugin, place))
        return max(0.0, record.trial_at - self._clock()) if record is not None and record.interval else 0.0

    def note_hang(self, kind: Kind, plugin: str) -> None:
        """Remember, until a reload, that a call of a plugin had to be interrupted."""
        self._hung.add((kind, plugin))

    def has_hung(self, kind: Kind, plugin: str) -> bool:
        """Return whether a call of a plugin had to be interrupted, at whatever place of use."""
        return bool(self._hung) and (kind, plugin) in self._hung

    def clear(self) -> None:
        """Forget all failures, so that every plugin is used again."""
        self._records.clear()
        self._hung.clear()

    def problems(self, besides: Collection[tuple[Kind, str, str]] = ()) -> list[str]:
        """Return a line for each plugin that failed last, from its first failure on, or that is slowed down.

        `besides` are kinds, names and places of use that the caller reports otherwise.
        """
        return [line for line, _ in self._list_problems(besides)]

    def problem_ages(self) -> dict[str, float]:
        """Return for how many seconds the plugins of these lines have been failing."""
        now = self._clock()
        return {line: now - failing.failing_since for line, failing in self._list_problems() if failing is not None}

    def quarantined_problems(self) -> list[str]:
        """Return the lines of plugins that are quarantined."""
        found = self._list_problems()
        return [line for line, failing in found if failing and (failing.is_for_good or failing.interval)]

    def _list_problems(self, besides: Collection[tuple[Kind, str, str]] = ()) -> Iterator[tuple[str, _Record | None]]:
        """Yield a line for each problem, with the record of a plugin that fails; None with harm to others."""
        for (kind, plugin, place), record in list(self._records.items()):
            if (kind, plugin, place) in besides:
                continue
            called = f'{kind} "{plugin}" of {record.distribution}'
            if record.remark is not None:
                yield f"{called} ({place}): {record.remark}", None
            # A delivery fails because of its receiver, as a rule, and is a problem of the outbox.
            is_failing = kind is not Kind.NOTIFIER and record.in_a_row and not self._has_recovered(record)
            if record.is_for_good or record.interval or is_failing:
                yield _problem(kind, called, place, record), record

    def _has_recovered(self, record: _Record) -> bool:
        """Return whether the last failure is so long ago that it doesn't count any more."""
        return self._clock() - record.last_failure_at > HEALTHY_SECONDS

    def has_failures(self) -> bool:
        """Return whether any plugin has failed."""
        return bool(self._records)

    def describe(self, kind: Kind, plugin: str, place: str) -> str | None:
        """Return why a plugin is not in use at a place, or that its last use failed, as a clause that follows its name.

        None if it works.
        """
        record = self._records.get((kind, plugin, place))
        if record is None:
            return None
        if record.is_for_good or record.interval:
            return _describe_quarantine(kind, record, f" in {record.distribution}")
        if record.in_a_row and not self._has_recovered(record):
            return f"failed in {record.distribution}: {_describe_failing(kind, record)}"
        return None

    def report(self) -> list[dict[str, Any]]:
        """Return all failures as JSON objects."""
        return [
            {
                "kind": str(kind),
                "name": plugin,
                "place": place,
                "provenance": record.distribution,
                "failures": record.failures,
                "in_a_row": record.in_a_row,
                "quarantined": record.is_for_good or record.interval > 0,
                "error": record.last,
                "author_hint": find_author_hint(kind, record.last),
            }
            for (kind, plugin, place), record in self._records.items()
        ]


class CommitTimes:
    """Times of a store's commits: slow ones in a row are a failure of the store, until one is quick again."""

    def __init__(self, quarantine: Quarantine, store: Store) -> None:
        self._quarantine = quarantine
        self._store = store
        self._slow = 0

    def add(self, seconds: float) -> None:
        """Add the seconds that a commit took."""
        was_slow = self._slow >= MIN_SLOW_COMMITS
        self._slow = self._slow + 1 if seconds >= SLOW_COMMIT_SECONDS else 0
        use = Kind.STORE, self._store.type, "commit"
        if self._slow >= MIN_SLOW_COMMITS:
            text = f"commit takes longer than {SLOW_COMMIT_SECONDS:g} s"
            self._quarantine.failed(*use, with_place(text, self._store.commit))
        elif was_slow:
            self._quarantine.succeeded(*use)


def _problem(kind: Kind, called: str, place: str, record: _Record) -> str:
    if record.is_for_good or record.interval:
        return f"{called} {_describe_quarantine(kind, record, place=f' ({place})')}"
    if kind is Kind.GUARD and record.in_a_row >= MAX_FAILURES_IN_A_ROW:
        hint = (
            f"jobs that use it do not start; fix it, or remove it from guards{describe_author_hint(kind, record.last)}"
        )
        return f"{called} fails each time ({place}): {record.last}; {hint}"
    return f"{called} failed ({place}): {_describe_failing(kind, record)}"


def _describe_failing(kind: Kind, record: _Record) -> str:
    times = count_of(record.in_a_row, "failure")
    hint = f"it is used again; report it to its author if this goes on{describe_author_hint(kind, record.last)}"
    return f"{record.last}; {times} in a row; {hint}"


_ADVICE = "correct its options and run 'rae-auto reload', or its code and restart the daemon"


def _describe_quarantine(kind: Kind, record: _Record, origin: str = "", place: str = "") -> str:
    hint = f"{_ADVICE}{describe_author_hint(kind, record.last)}"
    if not record.is_for_good:
        hint = f"it is tried every {format_elapsed(record.interval)}; {hint}"
    return f"is quarantined{place} after {count_of(record.failures, 'failure')}{origin}: {record.last}; {hint}"


def _describe_hint(kind: Kind, error: object, text: str) -> str:
    """Return the hint for a log line; none for failures of the environment."""
    return "" if is_environmental(error) else describe_author_hint(kind, text)


def is_environmental(error: object) -> bool:
    """Return whether the system or the store refused something: the failure is an OSError, or a cause of it is one."""
    return any(isinstance(one, OSError) for one in _chain(error))


def _chain(error: object, depth: int = 0) -> Iterator[object]:
    """Yield an error, its parts if it is a group, and its causes."""
    yield error
    if depth < 10 and isinstance(error, BaseException):
        parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        context = None if error.__suppress_context__ else error.__context__
        for one in (*parts, error.__cause__, context):
            if one is not None:
                yield from _chain(one, depth + 1)
