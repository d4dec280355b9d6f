"""The argument that handlers take beside their command or event."""

from collections.abc import Callable
from typing import TypeVarTuple

from attrs import frozen

from rae_auto.engine.effects import PartFailure, Step
from rae_auto.engine.state import EngineState
from rae_auto.errors import InternalError
from rae_auto.model.primitives.evolving.slots import quick_init
from rae_auto.model.primitives.instants import Moment

Arguments = TypeVarTuple("Arguments")


@quick_init
@frozen(eq=False, weakref_slot=False)
class Turn:
    """One turn of the engine: the state that a handler changes, the moment, and the step that it fills.

    A turn handles one command or event. Everything in it happens at the same moment. It is made of parts.
    """

    state: EngineState
    now: Moment
    step: Step

    def perform(self, part: "Callable[[Turn, *Arguments], None]", *args: *Arguments) -> bool:
        """Carry out a part of the turn whole or not at all, and return whether it succeeded.

        What the turn has done before stands. A part that raises is undone, with its changes, effects and decisions,
        and is reported in the step. Parts may have parts: then each change belongs to the innermost one.
        """
        undo_log, step = self.state.undo_log, self.step
        if not undo_log.is_recording:
            # Nothing can be undone, so a fault is for who has called the engine.
            part(self, *args)
            return True
        undo_log.clear()
        step.keep()
        try:
            part(self, *args)
        except Exception as error:  # whatever the fault is, it must not touch the other parts
            undo_log.roll_back()
            step.roll_back()
            step.failures.append(PartFailure(part.__name__, error))
            return False
        undo_log.clear()
        step.keep()
        return True

    def describe_fault(self) -> InternalError:
        """Return the error for who requested the part that has failed last."""
        error = self.step.failures[-1].error
        return InternalError(
            f"internal error ({error!r:.200}); nothing has changed, and the daemon's log has the details"
        )
