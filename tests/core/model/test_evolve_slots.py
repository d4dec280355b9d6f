"""Changed copies of frozen values, slot by slot."""

from datetime import UTC, datetime

import attrs
import pytest
from tests.support.runs import make_run

from rae_auto.model.job_state import Cursor, JobState
from rae_auto.model.primitives.evolving.slots import evolve_slots
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import Attempt, Result, RunState

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
        (Attempt(1, NOON, NOON, RunState.FAILED), {"state": RunState.LOST}),
    ],
)
def test_evolve_slots_makes_what_attrs_evolve_makes(value, changes):
    before = attrs.asdict(value, recurse=False)
    copy = evolve_slots(value, **changes)
    assert copy == attrs.evolve(value, **changes)
    assert attrs.asdict(value, recurse=False) == before


def test_evolve_slots_refuses_a_field_that_is_not_there():
    with pytest.raises(KeyError, match="colour"):
        evolve_slots(RUN, colour="red")
