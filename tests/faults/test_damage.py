"""A sample of the damage campaign; `python -m tests.faults.damage` tries everything."""

import random
from pathlib import Path

import pytest
from tests.faults.damage import cases_of, make_images, run

SAMPLE = 60


@pytest.mark.requirement("R19", "R20")
@pytest.mark.parametrize("kind", ["sqlite", "json"])
def test_damage_is_survived_or_reported(tmp_path: Path, kind: str) -> None:
    choice, violations = random.Random(20), []
    cases = [case for image in make_images(tmp_path) if image.kind == kind for case in cases_of(image, choice)]
    run(choice.sample(cases, SAMPLE), tmp_path, violations.append)
    assert violations == []


def test_campaign_has_thousands_of_cases(tmp_path: Path) -> None:
    assert sum(1 for image in make_images(tmp_path) for _ in cases_of(image, random.Random(1))) > 2000
