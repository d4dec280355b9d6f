"""Schedules and guards of the fuzzer's worlds."""

from datetime import UTC, datetime, timedelta

from attrs import frozen

from rae_auto.model.guard import GuardResult, Verdict


@frozen
class EverySeconds:
    """A schedule for trials: the multiples of so many seconds."""

    seconds: int
    jitter: timedelta = timedelta(0)

    def next_after(self, instant: datetime) -> datetime:
        return datetime.fromtimestamp((int(instant.timestamp()) // self.seconds + 1) * self.seconds, UTC)


@frozen
class EvenHours:
    """A computed guard for trials: lets jobs start in every other hour."""

    def evaluate(self, instant: datetime) -> GuardResult:
        return GuardResult(Verdict.NO if instant.hour % 2 else Verdict.YES, f"it is {instant:%H:%M}")

    def changes_after(self, instant: datetime) -> datetime:
        return instant.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def reading(at: datetime) -> GuardResult:
    """Return the result of every guard that reads the machine: another one each minute."""
    return GuardResult((Verdict.YES, Verdict.YES, Verdict.NO, Verdict.UNKNOWN)[at.minute % 4], f"it is {at:%H:%M}")
