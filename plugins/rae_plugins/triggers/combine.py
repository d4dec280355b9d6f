"""The combine trigger: all of several triggers within a time, any of them, or one after the other.

An occurrence of a part has a key and an instant. It counts once, by its key, and by its instant alone, however late it
is delivered: a trigger may wait until a file is stable, or find after a restart what happened before it.

- `any`: each occurrence of a part fires.
- `all`: the latest occurrence of each part is remembered, unless it is more than `within` older than the newest of
  all. It fires when there is one of every part.
- `sequence`: it fires when there are occurrences of the parts in this order, each at or after the one before, and the
  last no more than `within` after the first. If several could be the first, the latest counts: a newer start replaces
  an older one at once, and the progress of the older one is kept beside it.

After it has fired, everything is forgotten and it starts again. With `reset = false` occurrences stay as long as they
lie within the window, so that one more can complete them again.

A sequence remembers two things. The best beginnings, for each number of parts the chain with the latest start, are
enough as long as occurrences are delivered in their order: a chain with a later start can be completed by everything
that can complete one with an earlier start. Beside these the last `MAX_SPARE_OCCURRENCES` of each part are kept, from
which chains are found that include an occurrence delivered late.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import evolve, field, frozen
from attrs.converters import optional

from rae_auto.api import Event, Firing, PatternTrigger, ScheduleTrigger, SourceTrigger, StepResult, Trigger
from rae_auto.api.pattern import GAP, State
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.names import digest
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.summaries import named, summarize
from rae_auto.toolkit.validators import positive_duration

MAX_SPARE_OCCURRENCES = 20
"""Number of occurrences of each part of a sequence that are kept beside the best beginnings."""

_KINDS = ("all", "any", "sequence")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class PartOccurrence:
    """An occurrence of one part."""

    part: str
    key: str
    at: datetime
    event: Mapping[str, Any]


def _parts_option(help: str) -> Any:
    return field(default=(), converter=tuple, metadata={"help": help, "hint": 'write [{ type = "…" }, …]'})


@frozen(kw_only=True)
class CombineTrigger(PatternTrigger):
    """Fires on occurrences of other triggers: all within a time, any of them, or a sequence."""

    type: ClassVar[str] = "combine"
    example: ClassVar[Mapping[str, Any]] = {"all": [{"type": "job", "jobs": ["backup"]}, "manual"], "within": "1h"}

    all_: tuple[Trigger, ...] = _parts_option("triggers that must all occur, in any order")
    any_: tuple[Trigger, ...] = _parts_option("triggers of which every occurrence fires")
    sequence: tuple[Trigger, ...] = _parts_option("triggers that must occur one after the other")
    within: timedelta | None = field(
        default=None,
        converter=optional(parse_duration),
        validator=positive_duration(),
        metadata={"help": "longest time from the first occurrence to the last; required with all and sequence"},
    )
    reset: bool = field(
        default=True, metadata={"help": "false: occurrences that have fired stay, and one more can complete them again"}
    )

    def __attrs_post_init__(self) -> None:
        given = [name for name, parts in zip(_KINDS, (self.all_, self.any_, self.sequence), strict=True) if parts]
        if len(given) != 1:
            written = " and ".join(given) or "none"
            raise ValueError(f"give exactly one of all, any and sequence, not {written}")
        if self.within is None and not self.any_:
            raise ValueError("'within' must give the longest time from the first occurrence to the last; write \"1h\"")
        for part in self._triggers:
            if isinstance(part, SourceTrigger) and part.delay:
                raise ValueError(
                    f"{part.type}: 'delay' is for a trigger that starts a job, not for one of several; remove it"
                )
            if isinstance(part, ScheduleTrigger) and (point := part.run_point()):
                raise ValueError(
                    f"{part.type}: to count from the {point} of a run is for a trigger that starts a job, not for one "
                    "of several; name an instant"
                )

    @property
    def _triggers(self) -> tuple[Trigger, ...]:
        return self.all_ or self.any_ or self.sequence

    def parts(self) -> dict[str, Trigger]:
        """Return its triggers by their types, numbered if there are several of one type: `cron`, `cron-2`."""
        named: dict[str, Trigger] = {}
        for trigger in self._triggers:
            number, name = 1, trigger.type
            while name in named:
                number += 1
                name = f"{trigger.type}-{number}"
            named[name] = trigger
        return named

    def summary(self) -> str:
        return summarize(self.type, named("all", self.all_), named("any", self.any_), named("sequence", self.sequence))

    def warnings(self) -> tuple[str, ...]:
        """Return the warnings of its parts and its own."""
        warnings = [f"{name}: {text}" for name, part in self.parts().items() for text in part.warnings()]
        for name, part in self.parts().items():
            if isinstance(part, ScheduleTrigger) and part.next_after(_EPOCH) is None:
                warnings.append(f"{name}: never fires by itself; remove it, or use a job trigger instead")
        if self.any_ and (self.within is not None or not self.reset):
            warnings.append("within and reset have no effect with any")
        return tuple(warnings)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return the problems of its parts."""
        return tuple(f"{name}: {text}" for name, part in self.parts().items() for text in part.problems(directory))

    def kernel_needs(self) -> Mapping[str, int]:
        """Return what its parts need together."""
        total: Counter[str] = Counter()
        for part in self.parts().values():
            total.update(part.kernel_needs())
        return total

    def begin(self, now: datetime) -> StepResult:
        """Start without any occurrence."""
        return StepResult({"occurrences": []})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Add an occurrence of a part, and fire if it completes the combination."""
        known = [_parse(document) for document in state["occurrences"]]
        if event is not None and event.name == GAP:
            return StepResult(_state(_limit_to_now(now, known)))
        if event is None:
            return StepResult(state)
        new = PartOccurrence(event.name, event.id, event.at, event.data)
        if self.within is None or self.any_:
            return StepResult(state, (Firing(f"{new.part}:{new.key}", new.at, {"parts": [_to_document(new)]}),))
        order = list(self.parts())
        find, retain = (find_all, retain_for_all) if self.all_ else (find_sequence, retain_for_sequence)
        known = _drop_expired(self.within, sorted([*known, new], key=lambda occurrence: occurrence.at))
        complete = find(order, known, self.within)
        if new not in complete:
            return StepResult(_state(retain(order, known, self.within)))
        remaining = () if self.reset else retain(order, known, self.within)
        at = max(occurrence.at for occurrence in complete)
        firing = Firing(_key(complete), at, {"parts": [_to_document(occurrence) for occurrence in complete]})
        return StepResult(_state(remaining), (firing,))


def _drop_expired(window: timedelta, occurrences: Sequence[PartOccurrence]) -> list[PartOccurrence]:
    """Drop the occurrences, in the order of time, that are more than a window older than the last."""
    newest = occurrences[-1].at
    return [occurrence for occurrence in occurrences if newest - occurrence.at <= window]


def _limit_to_now(now: datetime, occurrences: Iterable[PartOccurrence]) -> list[PartOccurrence]:
    """Move occurrences in the future to now: after the clock was set back they would outlive all later ones."""
    return [evolve(occurrence, at=min(occurrence.at, now)) for occurrence in occurrences]


# all


def retain_for_all(order: Sequence[str], occurrences: Sequence[PartOccurrence], _: timedelta) -> list[PartOccurrence]:
    """Return the latest occurrence of each part, in the order of the parts; `occurrences` are in the order of time."""
    latest = {occurrence.part: occurrence for occurrence in occurrences}
    return [latest[part] for part in order if part in latest]


def find_all(order: Sequence[str], occurrences: Sequence[PartOccurrence], window: timedelta) -> list[PartOccurrence]:
    """Return the latest occurrence of each part, or an empty list if one is missing."""
    latest = retain_for_all(order, occurrences, window)
    return latest if len(latest) == len(order) else []


# sequence


def find_best_beginnings(
    order: Sequence[str], occurrences: Iterable[PartOccurrence], window: timedelta
) -> list[list[PartOccurrence]]:
    """Return, for each number of parts from one on, the chain with the latest start; empty if there is none.

    One pass in the order of time. A chain with a later start can be completed by everything that can complete one with
    an earlier start, so no other chain has to be kept.
    """
    best: list[list[PartOccurrence]] = [[] for _ in order]
    index_of = {part: index for index, part in enumerate(order)}
    for occurrence in occurrences:
        index = index_of[occurrence.part]
        before = best[index - 1] if index else []
        is_late = bool(before) and occurrence.at - before[0].at > window
        if (index and not before) or is_late:
            continue
        chain = [*before, occurrence]
        if not best[index] or chain[0].at >= best[index][0].at:
            best[index] = chain
    return best


def find_sequence(
    order: Sequence[str], occurrences: Sequence[PartOccurrence], window: timedelta
) -> list[PartOccurrence]:
    """Return the complete sequence with the latest start, or an empty list."""
    return find_best_beginnings(order, occurrences, window)[-1]


def retain_for_sequence(
    order: Sequence[str], occurrences: Sequence[PartOccurrence], window: timedelta
) -> list[PartOccurrence]:
    """Return the best beginnings and the last occurrences of each part, in the order of time."""
    chains = find_best_beginnings(order, occurrences, window)
    retained = {(occurrence.part, occurrence.key) for chain in chains for occurrence in chain}
    for part in order:
        of_part = [occurrence for occurrence in occurrences if occurrence.part == part]
        retained |= {(occurrence.part, occurrence.key) for occurrence in of_part[-MAX_SPARE_OCCURRENCES:]}
    return [occurrence for occurrence in occurrences if (occurrence.part, occurrence.key) in retained]


# JSON


def _state(occurrences: Iterable[PartOccurrence]) -> dict[str, Any]:
    return {"occurrences": [_to_document(occurrence) for occurrence in occurrences]}


def _to_document(occurrence: PartOccurrence) -> dict[str, Any]:
    return {
        "trigger": occurrence.part,
        "key": occurrence.key,
        "at": format_instant(occurrence.at),
        "event": occurrence.event,
    }


def _parse(document: Mapping[str, Any]) -> PartOccurrence:
    return PartOccurrence(document["trigger"], document["key"], parse_instant(document["at"]), document["event"])


def _key(occurrences: Iterable[PartOccurrence]) -> str:
    return digest("\0".join(f"{occurrence.part}:{occurrence.key}" for occurrence in occurrences), 16).hex()


@hookimpl
def rae_triggers() -> list[type[PatternTrigger]]:
    """Return the combine trigger."""
    return [CombineTrigger]
