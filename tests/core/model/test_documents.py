"""Facts that are read from documents without making values of them."""

from typing import Any

import pytest
from hypothesis import given

from rae_auto.model import documents
from rae_auto.model.run import Run
from rae_auto.testing.harness import strategies


@given(strategies.runs)
def test_duration_in_a_document_is_that_of_the_run(run: Run) -> None:
    expected = None if run.duration is None else run.duration.total_seconds()
    assert documents.duration_of(documents.dump(run)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"started_at": "2026-01-01T00:00:00+00:00", "finished_at": "soon"},
        {"started_at": 3, "finished_at": 4},
        {"started_at": "2026-01-01T00:00:00+00:00", "finished_at": "2026-01-01T00:00:00+00:00", "clock_steps": [{}]},
    ],
)
def test_document_of_another_program_has_no_duration(document: dict[str, Any]) -> None:
    assert documents.duration_of(document) is None
