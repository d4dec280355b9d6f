"""Reasons of capacity: why a run waits for a slot, for units of a resource, or for its turn in a queue elsewhere."""

from datetime import datetime

from attrs import frozen

from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons.base import ReasonBase, TimedReason, TimeFormat


@frozen
class MaxParallel(ReasonBase):
    """The limit on active runs of all jobs."""

    code = "max_parallel"
    meaning = "waits: as many runs as `max_parallel` allows are active"

    limit: int

    @property
    def text(self) -> str:
        return f"{'the only slot is' if self.limit == 1 else f'all {self.limit} slots are'} in use (max_parallel)"

    def describe_past(self, time: TimeFormat) -> str:
        return f"{'the only slot was' if self.limit == 1 else f'all {self.limit} slots were'} in use (max_parallel)"


@frozen
class ResourceBusy(ReasonBase):
    """A resource that other runs use up."""

    code = "resource"
    meaning = "waits: other runs use as much of a resource as there is"

    resource: str
    used: int
    capacity: int

    @property
    def text(self) -> str:
        return self._describe("is" if self.used == 1 else "are")

    def describe_past(self, time: TimeFormat) -> str:
        return self._describe("was" if self.used == 1 else "were")

    def _describe(self, verb: str) -> str:
        units = "unit" if self.capacity == 1 else "units"
        return f'{self.used} of {self.capacity} {units} of resource "{self.resource}" {verb} in use'


@frozen
class ResourceTooSmall(ReasonBase):
    """A resource that has fewer units by now than the job takes."""

    code = "resource_too_small"
    meaning = "waits: a resource was made smaller, and the job takes more of it than there is"

    resource: str
    wanted: int
    capacity: int

    @property
    def text(self) -> str:
        return (
            f'it takes {self.wanted} units of resource "{self.resource}", which has {self.capacity}; '
            f"raise resources.{self.resource}, or let the job take fewer"
        )


@frozen
class ResourceReserved(ReasonBase):
    """A resource that is kept for a run that comes first."""

    code = "resource_reserved"
    meaning = "waits: what is left of a resource is reserved for a run that has been waiting for it longer"

    resource: str
    run: RunId

    @property
    def text(self) -> str:
        return f'what is left of resource "{self.resource}" is reserved for run {self.run}, which comes first'

    def describe_past(self, time: TimeFormat) -> str:
        return f'what was left of resource "{self.resource}" was reserved for run {self.run}, which came first'


@frozen
class HandedOver(TimedReason):
    """The base of reasons of attempts that were handed over to something else, and are not known to have started.

    `queue` names what has the attempt since then, `wanted` what it waits for there: "a worker with label gpu".
    """

    queue: str
    wanted: str
    since: datetime


@frozen
class InQueue(HandedOver):
    """A queue elsewhere, as that of a cluster, in which the attempt waits for its turn: it has not started."""

    code = "in_queue"
    meaning = "waits: the attempt is in a queue elsewhere, as that of a cluster, and nothing there has taken it yet"

    def describe(self, time: TimeFormat) -> str:
        return f"it has been in the queue of {self.queue} since {time(self.since)}, for {self.wanted}"

    def describe_past(self, time: TimeFormat) -> str:
        return f"it was in the queue of {self.queue} from {time(self.since)} on, for {self.wanted}"


@frozen
class Unconfirmed(HandedOver):
    """Another machine that was asked to start the attempt, and can't be asked now whether it has."""

    code = "unconfirmed"
    meaning = "waits: another machine was asked to start the attempt and has not confirmed it, so it may have started"

    def describe(self, time: TimeFormat) -> str:
        waits = f"it waits for {self.wanted}"
        return f"{self.queue} was asked to start it at {time(self.since)}, and {waits}; it may have started"

    def describe_past(self, time: TimeFormat) -> str:
        return f"{self.queue} was asked to start it at {time(self.since)}, and it waited for {self.wanted}"
