"""{{ cookiecutter.__docstring }}"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from attrs import field, frozen
from attrs.validators import ge
from rae_auto.api import Event, Firing, PatternTrigger, StepResult
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(PatternTrigger):
    """{{ cookiecutter.__docstring }}

    Fires when so many events of a name have been recorded.
    """

    type = "{{ cookiecutter.name }}"
    example: ClassVar[dict[str, Any]] = {"name": "door.opened"}

    name: str = field(metadata={"help": "name of the recorded event"})
    count: int = field(default=3, validator=ge(1), metadata={"help": "number of events to one start"})

    def summary(self) -> str:
        return f"every {self.count} {self.name}"[:80]

    def event_names(self) -> Sequence[str]:
        return (self.name,)

    def begin(self, now: datetime) -> StepResult:
        return StepResult({"count": 0})

    def step(self, state: Mapping[str, Any], event: Event | None, now: datetime) -> StepResult:
        if event is None or event.name == "gap":
            return StepResult(state)
        count = state["count"] + 1
        if count < self.count:
            return StepResult({"count": count})
        return StepResult({"count": 0}, (Firing(event.id, event.at, {"last": event.data}),))


@hookimpl
def rae_triggers() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
