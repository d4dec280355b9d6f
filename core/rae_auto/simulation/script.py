"""Scripts: recorded events, emissions of sources and results of guards during a simulation."""

import bisect
from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import field, frozen

from rae_auto.api.events import Event
from rae_auto.model.decision import Occurrence
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.primitives.names import JobId


@frozen
class ScriptedGuardResult:
    """The result of a guard from an instant on: of one job, or of all guards of the name (`job` is None)."""

    at: datetime
    job: JobId | None
    guard: str
    result: GuardResult


ASSUMED_YES = GuardResult(Verdict.YES, "assumed to be yes in the simulation")


@frozen
class Script:
    """The inputs of a simulation, each in order of time. Those before the simulated span are the past for patterns.

    The trigger of an occurrence may be one inside of another: `both.file` is part `file` of trigger `both`.
    """

    events: tuple[Event, ...] = ()
    occurrences: tuple[Occurrence, ...] = ()
    guards: tuple[ScriptedGuardResult, ...] = ()
    _turns: Mapping[tuple[JobId | None, str], Sequence[ScriptedGuardResult]] = field(init=False, eq=False)

    def __attrs_post_init__(self) -> None:
        turns: dict[tuple[JobId | None, str], list[ScriptedGuardResult]] = {}
        for turn in self.guards:
            turns.setdefault((turn.job, turn.guard), []).append(turn)
        object.__setattr__(self, "_turns", turns)

    def guard_says(self, job: JobId, guard: str, at: datetime) -> GuardResult:
        """Return the result of a machine guard at an instant."""
        for of in (job, None):
            turns = self._turns.get((of, guard), ())
            number = bisect.bisect_right(turns, at, key=lambda turn: turn.at)
            if number:
                return turns[number - 1].result
        return ASSUMED_YES

    def knows_guard(self, job: JobId, guard: str) -> bool:
        """Return whether the script has something for it."""
        return (job, guard) in self._turns or (None, guard) in self._turns
