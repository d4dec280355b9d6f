"""A sample of the time campaign; `python -m tests.faults.clocks` tries everything."""

import random

import pytest
from tests.faults.clocks import all_cases, try_case

from rae_auto.engine.time import cursors
from rae_auto.model.run import Run

SAMPLE = 150


def find_violations(count: int, seed: int) -> list[str]:
    cases = random.Random(seed).sample(list(all_cases()), count)
    return [f"{case}: {violation}" for case in cases for violation in try_case(case)]


@pytest.mark.requirement("R12", "R13", "R14", "R15")
def test_clock_changes_in_each_state_of_a_run_break_nothing() -> None:
    assert find_violations(SAMPLE, seed=12) == []


def test_campaign_has_thousands_of_cases() -> None:
    cases = [str(case) for case in all_cases()]
    assert len(cases) == len(set(cases)) > 2000


def a_delay_goes_by_the_wall_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Run, "after_clock_set", lambda run, _: run)
    patch.setattr(Run, "delay_left", lambda run, now: (run.not_before or now.wall) - now.wall)


def a_timeout_begins_again_in_a_restart(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Run, "time_left", lambda _, timeout, __: timeout)


def a_duration_goes_by_the_wall_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Run, "duration", property(lambda run: run.finished_at - run.started_at))


def a_clock_set_back_repeats_instants(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cursors, "undecided", lambda due, _: due)


PLANTED = [
    a_delay_goes_by_the_wall_clock,
    a_timeout_begins_again_in_a_restart,
    a_duration_goes_by_the_wall_clock,
    a_clock_set_back_repeats_instants,
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_campaign_finds(plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert any(find_violations(20, seed) for seed in range(5))
