"""Causes: why a run was started."""

from attrs import frozen

from rae_auto.model.reasons.base import MissedCause, ReasonBase
from rae_auto.model.reasons.requesters import Requester


@frozen
class Due(ReasonBase):
    """An instant of a schedule that had come."""

    code = "due"
    meaning = "started: an instant of its schedule had come"

    @property
    def text(self) -> str:
        return "it was due"


@frozen
class Manual(ReasonBase):
    """A request by a person or a program; `by` says by which, where it came to the control socket."""

    code = "manual"
    meaning = "started: a person or a program triggered it; `forced` if they asked for it despite its needs"

    forced: bool = False
    by: Requester | None = None

    @property
    def text(self) -> str:
        who = self.by.describe() if self.by is not None and self.by.is_program else "hand"
        return f"it was triggered by {who}" + (" with --force, despite its needs" if self.forced else "")


@frozen
class Fired(ReasonBase):
    """An occurrence that a source reported."""

    code = "fired"
    meaning = "started: a trigger that watches something fired"

    @property
    def text(self) -> str:
        return "its trigger fired"


@frozen
class CaughtUp(ReasonBase):
    """An instant that was missed, for which a run was started late."""

    code = "caught_up"
    meaning = "started late: the instant was missed (downtime, suspend, a clock step) and `catch_up` starts it late"

    cause: MissedCause

    @property
    def text(self) -> str:
        return "it is a missed run, started late by catch_up"
