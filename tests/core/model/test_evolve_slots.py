"""Changed copies of frozen values, slot by slot, and quick constructors."""

import inspect
from datetime import UTC, datetime

import attrs
import pytest
from tests.support.runs import make_run

from rae_auto.model.job import Job
from rae_auto.model.job_state import Cursor, JobState
from rae_auto.model.primitives.evolving.slots import copier_of, evolve_slots, maker_of, quick_init
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import Attempt, Result, Run, RunState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN = make_run(run="r", at=NOON, attempt=1)


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (RUN, {"state": RunState.STARTING, "started_at": NOON}),
        (RUN, {}),
        (JobState(JobId("j"), failures=3), {"failures": 4}),
        (Cursor(NOON, "digest", NOON), {"counts_from": NOON}),
        (Result(exit_code=1, ended_at=NOON), {"ended_at": None}),
        (Job(name="j", command="true", priority="high"), {"name": "k", "enabled": False}),
        (Attempt(1, NOON, NOON, RunState.FAILED), {"state": RunState.LOST}),
    ],
)
def test_evolve_slots_makes_what_attrs_evolve_makes(value, changes):
    before = attrs.asdict(value, recurse=False)
    copy = evolve_slots(value, **changes)
    assert copy == attrs.evolve(value, **changes)
    assert attrs.asdict(value, recurse=False) == before
    assert type(copy) is type(value)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        copy.anything = 1


def test_evolve_slots_refuses_a_field_that_is_not_there():
    with pytest.raises(TypeError, match="colour"):
        evolve_slots(RUN, colour="red")


def test_a_copier_makes_what_attrs_evolve_makes():
    copy = copier_of(Run)(RUN, state=RunState.STARTING, reason=None)
    assert copy == attrs.evolve(RUN, state=RunState.STARTING, reason=None)
    assert type(copy) is Run


@quick_init
@attrs.frozen(weakref_slot=False)
class Quick:
    first: int
    _second: str = "b"
    third: list[int] = attrs.field(factory=list)
    fourth: int | None = attrs.field(default=None, kw_only=True)


@attrs.frozen(weakref_slot=False)
class Plain:
    first: int
    _second: str = "b"
    third: list[int] = attrs.field(factory=list)
    fourth: int | None = attrs.field(default=None, kw_only=True)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1,), {}), ((1, "x", [2]), {"fourth": 4}), ((), {"first": 1, "second": "y"}), ((1,), {})]
)
def test_a_quick_constructor_makes_the_values_of_the_usual_one(args, kwargs):
    quick, plain = Quick(*args, **kwargs), Plain(*args, **kwargs)
    assert type(quick) is Quick
    made = maker_of(Quick)(*args, **kwargs)
    assert type(made) is Quick
    assert made == quick
    assert attrs.asdict(quick) == attrs.asdict(plain)
    assert quick == attrs.evolve(quick)
    assert inspect.signature(Quick) == inspect.signature(Plain)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        quick.first = 2


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, "x", [], 4), {}), ((1,), {"other": 1})])
def test_a_quick_constructor_refuses_what_the_usual_one_refuses(args, kwargs):
    for kind in (Quick, Plain, maker_of(Quick)):
        with pytest.raises(TypeError):
            kind(*args, **kwargs)


def test_values_of_a_quick_constructor_share_no_made_default():
    assert Quick(1).third is not Quick(1).third
    assert maker_of(Quick)(1).third is not maker_of(Quick)(1).third


@pytest.mark.parametrize(
    "unfit",
    [
        attrs.make_class(
            "Checked", {"a": attrs.field(validator=lambda *_: None)}, frozen=True, slots=True, weakref_slot=False
        ),
        attrs.make_class("Converted", {"a": attrs.field(converter=int)}, frozen=True, slots=True, weakref_slot=False),
        attrs.make_class("Weak", ["a"], frozen=True, slots=True),
    ],
)
def test_a_class_with_checks_or_weak_references_has_no_quick_constructor(unfit):
    with pytest.raises(TypeError, match="quick constructor"):
        quick_init(unfit)(1)
