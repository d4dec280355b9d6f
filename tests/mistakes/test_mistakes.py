"""A seeded sample of the mistakes of plugin authors; `python -m tests.mistakes` plays them all."""

import random

import pytest
from tests.mistakes import campaign
from tests.mistakes.campaign import judge, run_mistake
from tests.mistakes.planted import PLANTED
from tests.mistakes.results import load_results

SEED = 17
STATIC = [mistake for mistake in PLANTED if not mistake.runs]
LIVE = [mistake for mistake in PLANTED if mistake.number in ("13b", "26d", "28h", "33f")]


def _is_python(source: str) -> bool:
    try:
        compile(source, "planted", "exec")
    except SyntaxError:
        return False
    return True


def test_numbers_are_those_of_the_review():
    numbers = [mistake.number for mistake in PLANTED]
    assert len(numbers) == len(set(numbers)) >= 100
    assert {f"{number:02}" for number in range(1, 34)} == {number[:2] for number in numbers}
    intended = [mistake.number for mistake in PLANTED if mistake.what == "a syntax error"]
    assert [mistake.number for mistake in PLANTED if not _is_python(mistake.source)] == intended


@pytest.mark.parametrize("mistake", random.Random(SEED).sample(STATIC, 2), ids=lambda mistake: mistake.number)
def test_mistake_is_named_with_its_distribution(mistake, tmp_path):
    check = run_mistake(mistake, tmp_path, with_daemon=False).check
    assert (check.distribution, check.hint) == (True, True), check.says


@pytest.mark.parametrize("mistake", random.Random(SEED).sample(LIVE, 1), ids=lambda mistake: mistake.number)
def test_daemon_names_a_mistake_and_goes_on(mistake, tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "is_over", lambda outcome: outcome.daemon.distribution and outcome.ticks)
    outcome = run_mistake(mistake, tmp_path)
    assert outcome.daemon.distribution, outcome.log
    assert outcome.stop_seconds is not None
    assert outcome.ticks


def test_what_names_nothing_counts_as_nothing():
    assert judge(["trigger good of rae-good 1.0: no mistakes", "good: started"]).mark == "-"
    assert judge(["/x/rae_bad.py:3: error: no; write it [type]"]).is_whole


def test_documentation_has_each_mistake_and_each_is_named():
    results = load_results()
    assert [(one.number, one.what) for one in results] == [(one.number, one.what) for one in PLANTED]
    assert [one.number for one in results if not one.has("DLR") and not one.quiet] == []
    assert [one.quiet for one in results] == [one.quiet for one in PLANTED]
    assert [one.number for one in results if one.ends_daemon] == []
