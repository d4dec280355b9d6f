"""The argument that handlers take beside their command or event."""

from attrs import frozen

from rae_auto.engine.effects import Step
from rae_auto.engine.state import EngineState
from rae_auto.model.primitives.instants import Moment


@frozen(eq=False)
class Turn:
    """One turn of the engine: the state that a handler changes, the moment, and the step that it fills.

    A turn handles one command or event. Everything in it happens at the same moment.
    """

    state: EngineState
    now: Moment
    step: Step
