"""A sample of the damage campaign; `python -m tests.faults.damage` tries everything."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.damage import cases_of, make_images, run
from tests.support.daemons import Daemons

from rae_auto.records.state_directory import claim_state_directory
from rae_plugins.stores.sqlite import opening

pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do

SAMPLE = 60


@pytest.mark.requirement("R19", "R20")
@pytest.mark.parametrize("kind", ["sqlite", "json"])
def test_damage_is_survived_or_reported(tmp_path: Path, kind: str) -> None:
    choice, violations = random.Random(20), []
    cases = [case for image in make_images(tmp_path) if image.kind == kind for case in cases_of(image, choice)]
    run(choice.sample(cases, SAMPLE), tmp_path, violations.append)
    assert violations == []


@pytest.mark.requirement("R19", "R20")
def test_damage_found_after_the_start_is_survived_or_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MAX_BYTES_CHECKED_FIRST", 0)
    choice, violations = random.Random(21), []
    images = [image for image in make_images(tmp_path) if image.name.startswith("sqlite") and "killed" in image.name]
    cases = [case for image in images for case in cases_of(image, choice) if "state.sqlite" in case.changed]
    run(choice.sample(cases, SAMPLE), tmp_path, violations.append)
    assert violations == []


def test_campaign_has_thousands_of_cases(tmp_path: Path) -> None:
    assert sum(1 for image in make_images(tmp_path) for _ in cases_of(image, random.Random(1))) > 2000


JOB = """
[jobs.quick]
command = ["true"]
"""


@pytest.mark.requirement("R20")
def test_a_damaged_snapshot_without_another_is_refused_in_one_line(daemons: Callable[..., Daemons]) -> None:
    ours = daemons(JOB, 'store = "json"\n')
    claim_state_directory(ours.state)
    (ours.state / "snapshot-7.json").write_text("{}")
    code, said = ours.refused()
    assert code == 1
    assert said.count("\n") == 1
    assert "no snapshot is good" in said
