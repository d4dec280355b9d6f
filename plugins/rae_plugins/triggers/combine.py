"""Triggers that are made of others: all of them within a time, any of them, or one after the other.

What a part tells has a key and an instant. It counts once, by its key, and by its instant alone, however late it is
told: a trigger may wait until a file has come to rest, or find after a restart what happened before it.

- `any`: each occurrence of a part fires.
- `all`: of each part the latest occurrence is remembered, unless it lies more than `within` before the newest of all.
  When there is one of every part they fire.
- `sequence`: fires when there are occurrences of the parts in this order, each at or after the one before, the last no
  more than `within` after the first. Of several that could have begun it, the latest has: a newer start takes the place
  of an older one at once, and how far the older one has come is kept beside it.

What fired is forgotten with all that was remembered, and it begins anew; with `reset = false` it stays as long as it
lies within the window, so that one more occurrence can complete it again.

What is remembered of a sequence are the best beginnings (for each number of parts the chain of the latest start), which
suffices as long as occurrences are told in their order; and beside these the last `SPARE` of each part, out of which
chains are found that one is told too late for.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from attrs import field, frozen
from attrs.converters import optional

from rae_auto.api import Event, Firing, PatternTrigger, ScheduleTrigger, StepResult, Trigger
from rae_auto.api.pattern import GAP, State
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.validators import longer_than_nothing

SPARE = 20
"""How many occurrences of each part of a sequence are remembered though nothing begins with them."""

_KINDS = ("all", "any", "sequence")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class Occurrence:
    """What a part told."""

    part: str
    key: str
    at: datetime
    event: Mapping[str, Any]


def _parts(help: str) -> Any:
    return field(default=(), converter=tuple, metadata={"help": help, "hint": 'write [{ type = "…" }, …]'})


@frozen(kw_only=True)
class CombineTrigger(PatternTrigger):
    """Fires on occurrences of other triggers: all within a time, any of them, or a sequence. Exactly one is given."""

    type: ClassVar[str] = "combine"

    all_: tuple[Trigger, ...] = _parts("triggers that must each have told something, in whatever order")
    any_: tuple[Trigger, ...] = _parts("triggers of which each occurrence fires")
    sequence: tuple[Trigger, ...] = _parts("triggers that must tell something one after the other")
    within: timedelta | None = field(
        default=None,
        converter=optional(parse_duration),
        validator=longer_than_nothing(),
        metadata={"help": "the longest time from the first occurrence to the last; all and sequence need it"},
    )
    reset: bool = field(
        default=True, metadata={"help": "false: what has fired can be completed again, as long as the window lasts"}
    )

    def __attrs_post_init__(self) -> None:
        given = [name for name, parts in zip(_KINDS, (self.all_, self.any_, self.sequence), strict=True) if parts]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"needs exactly one of all, any and sequence, with its triggers, not {found}")
        if self.within is None and not self.any_:
            raise ValueError("'within' must say how far the occurrences may lie apart; write \"1h\"")

    @property
    def _triggers(self) -> tuple[Trigger, ...]:
        return self.all_ or self.any_ or self.sequence

    def parts(self) -> dict[str, Trigger]:
        """Its triggers by their types, numbered where there are several of one type: `cron`, `cron-2`."""
        named: dict[str, Trigger] = {}
        for trigger in self._triggers:
            number, name = 1, trigger.type
            while name in named:
                number += 1
                name = f"{trigger.type}-{number}"
            named[name] = trigger
        return named

    def warnings(self) -> tuple[str, ...]:
        """The doubts of its parts, and its own."""
        found = [f"{name}: {text}" for name, part in self.parts().items() for text in part.warnings()]
        for name, part in self.parts().items():
            if isinstance(part, ScheduleTrigger) and part.next_after(_BEGINNING) is None:
                found.append(f"{name}: never fires by itself; take it out, or follow a job that is started by hand")
        if self.any_ and (self.within is not None or not self.reset):
            found.append("within and reset have no effect with any")
        return tuple(found)

    def begin(self, now: datetime) -> StepResult:
        """Nothing was told."""
        return StepResult({"told": []})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """An occurrence of a part may be the one that was missing."""
        told = [_read(document) for document in state["told"]]
        if event is not None and event.name == GAP:
            return StepResult({"told": [_document(one) for one in _not_after(now, told)]})
        if event is None:
            return StepResult(state)
        new = Occurrence(event.name, event.id, event.at, event.data)
        if self.within is None or self.any_:
            return StepResult(state, (Firing(f"{new.part}:{new.key}", new.at, {"parts": [_document(new)]}),))
        order = list(self.parts())
        find, keep = (latest_of_all, of_use_for_all) if self.all_ else (chain, of_use_for_chains)
        told = _within(self.within, sorted([*told, new], key=lambda one: one.at))
        found = find(order, told, self.within)
        if new not in found:
            return StepResult({"told": [_document(one) for one in keep(order, told, self.within)]})
        left = () if self.reset else keep(order, told, self.within)
        firing = Firing(_key(found), max(one.at for one in found), {"parts": [_document(one) for one in found]})
        return StepResult({"told": [_document(one) for one in left]}, (firing,))


def _within(window: timedelta, told: Sequence[Occurrence]) -> list[Occurrence]:
    """Those, in the order of time, that don't lie more than a window before the last."""
    return [one for one in told if told[-1].at - one.at <= window]


def _not_after(now: datetime, told: Iterable[Occurrence]) -> list[Occurrence]:
    """What was told, nothing of it in the future: where the clock was set back it would outlive all that comes."""
    return [Occurrence(one.part, one.key, min(one.at, now), one.event) for one in told]


# all


def of_use_for_all(order: Sequence[str], told: Sequence[Occurrence], _: timedelta) -> list[Occurrence]:
    """The latest occurrence of each part, in the order of the parts; `told` is in the order of time."""
    latest = {one.part: one for one in told}
    return [latest[part] for part in order if part in latest]


def latest_of_all(order: Sequence[str], told: Sequence[Occurrence], window: timedelta) -> list[Occurrence]:
    """The latest occurrence of each part, or nothing where one is missing."""
    latest = of_use_for_all(order, told, window)
    return latest if len(latest) == len(order) else []


# sequence


def chains(order: Sequence[str], told: Iterable[Occurrence], window: timedelta) -> list[list[Occurrence]]:
    """For each number of parts, from one on, the chain of the latest start so far; empty where there is none.

    One pass in the order of time. A chain that starts later serves whatever the one that starts earlier does.
    """
    best: list[list[Occurrence]] = [[] for _ in order]
    place = {part: index for index, part in enumerate(order)}
    for one in told:
        index = place[one.part]
        before = best[index - 1] if index else []
        is_late = bool(before) and one.at - before[0].at > window
        if (index and not before) or is_late:
            continue
        found = [*before, one]
        if not best[index] or found[0].at >= best[index][0].at:
            best[index] = found
    return best


def chain(order: Sequence[str], told: Sequence[Occurrence], window: timedelta) -> list[Occurrence]:
    """The whole sequence of the latest start, or nothing."""
    return chains(order, told, window)[-1]


def of_use_for_chains(order: Sequence[str], told: Sequence[Occurrence], window: timedelta) -> list[Occurrence]:
    """The best beginnings, and the last occurrences of each part, in the order of time."""
    useful = {(one.part, one.key) for found in chains(order, told, window) for one in found}
    for part in order:
        useful |= {(one.part, one.key) for one in [one for one in told if one.part == part][-SPARE:]}
    return [one for one in told if (one.part, one.key) in useful]


# In JSON


def _document(one: Occurrence) -> dict[str, Any]:
    return {"trigger": one.part, "key": one.key, "at": format_instant(one.at), "event": one.event}


def _read(document: Mapping[str, Any]) -> Occurrence:
    return Occurrence(document["trigger"], document["key"], parse_instant(document["at"]), document["event"])


def _key(found: Iterable[Occurrence]) -> str:
    keys = "\0".join(f"{one.part}:{one.key}" for one in found)
    return hashlib.blake2b(keys.encode(errors="surrogatepass"), digest_size=16).hexdigest()


@hookimpl
def rae_triggers() -> list[type[PatternTrigger]]:
    """The combining trigger."""
    return [CombineTrigger]
