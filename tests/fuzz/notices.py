"""The invariants of notices: each that is decided is durable, delivered at least once, and again only after a crash."""

from collections import Counter
from random import Random

from rae_auto.engine.effects import Deliver
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.policies import NoticeLimit, NotifyOn, NotifyPolicy
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import RunState
from rae_auto.simulation.virtual_engine import VirtualWorld

RULES = NotifyPolicy(on=tuple(NotifyOn), via=("ops",), skips=2, limit=NoticeLimit(notices=2, per="1h"))
"""The rules of all jobs of the fuzzer: they ask for all notices, and hold some of them back."""

_REPORTED = {
    RunState.SUCCEEDED: NotifyOn.SUCCESS,
    RunState.FAILED: NotifyOn.FAILURE,
    RunState.TIMED_OUT: NotifyOn.FAILURE,
    RunState.INTERRUPTED: NotifyOn.FAILURE,
    RunState.LOST: NotifyOn.LOST,
}


class NoticeInvariants:
    """Watches the notices of one world, whose notifier fails now and then."""

    def __init__(self, world: VirtualWorld) -> None:
        self._world = world
        self._crashes = self._seen_ends = 0
        self._reported: set[RunId] = set()
        """The open runs whose ends are to be reported."""
        self._random = Random(0)
        world.deliver = self._deliver

    def _deliver(self, _: Deliver) -> str | None:
        return "no network" if self._random.random() < 0.2 else None

    def crashed(self) -> None:
        """A delivery that was under way may be repeated."""
        self._crashes += 1

    def reverted(self) -> None:
        """The records are as they were once."""
        self._seen_ends = min(self._seen_ends, len(self._world.history))

    def damaged(self, run: RunId | None) -> None:
        """The document of a run is damaged: the start records it as lost, and reports nothing."""
        if run is not None:
            self._reported.discard(run)

    def find_violation(self) -> str | None:
        """Return what is wrong, if anything is."""
        engine, delivered = self._world.engine, Counter(notice.key for notice in self._world.notices)
        kept = {notice.key: notice for notice in self._world.stored(OutboxNotice)}
        if kept != {notice.key: notice for notice in engine.notices()}:
            return "the stored notices are not those of the engine"
        jobs = {entry.job.id for entry in engine.jobs()}
        for run in self._world.history[self._seen_ends :]:
            kind = _REPORTED.get(run.state)
            key = f"{run.id}.{kind}/ops"
            if kind and run.id in self._reported and run.job in jobs and key not in kept and not delivered[key]:
                return f"the end of {run.id} ({run.state}) was not reported"
        self._seen_ends = len(self._world.history)
        self._reported = {opened.run.id for opened in engine.runs() if opened.job.notify.on}
        for key, count in delivered.items():
            if count > 1 + self._crashes:
                return f"{key} was delivered {count} times in {self._crashes} crashes"
        return None
