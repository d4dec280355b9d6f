"""The rows of `status`: open runs under the word for their state that `history` has too."""

import pytest

from rae_auto.model.run import RunState
from rae_auto.views.status import status_rows

NOW = "2026-11-28T11:06:00+00:00"


@pytest.mark.parametrize("state", [state for state in RunState if not state.final])
def test_open_run_is_shown_under_its_state(state):
    run = {"job": "a", "run_id": "R", "state": state.value, "started_at": NOW, "queued_at": NOW, "attempt": 1}
    section = "running" if state.active else "waiting"
    status = {"running": [], "waiting": [], "next": [], section: [{**run, "waiting_for": "it is next"}]}
    assert [(row[0], row[1], row[4]) for row in status_rows(status)] == [(state.value, "a", "R")]
