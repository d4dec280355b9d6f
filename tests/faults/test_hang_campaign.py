"""A sample of the hang campaign; `python -m tests.faults.hangs` tries everything."""

import os
from pathlib import Path

import pytest
from tests.faults.hangs import Case, all_cases, run_case

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

SAMPLE = (
    "source: watch waits, run",
    "guard: guard read, run",
    "logger: logger, run",
    "executor: executor close, stop",
    "store: store close, stop",
    "pattern: step, stop",
    "disk: secret, run",
    "disk: configuration, reload",
)


def test_campaign_covers_each_kind_in_each_phase() -> None:
    cases = list(all_cases())
    assert len({case.name for case in cases}) == len(cases) > 60
    kinds = {"schedule", "source", "pattern", "guard", "executor", "store", "logger", "notifier", "keeper", "disk"}
    assert kinds <= {case.kind for case in cases}
    assert {case.phase for case in cases} == {"start", "run", "reload", "stop"}


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("case", [case for case in all_cases() if case.name in SAMPLE], ids=lambda case: case.name)
def test_hang_is_contained_and_said(tmp_path: Path, case: Case) -> None:
    assert run_case(case, tmp_path).violations(case) == []
