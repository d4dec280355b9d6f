"""The pure fold that decides when a threshold fires."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.model.primitives.instants import Moment
from rae_plugins.triggers.threshold.state import Crossing, Phase, ThresholdRule, ThresholdState, apply_sample

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
GAP = 30.0


@frozen
class Sample:
    """A value, and the time since the sample before: awake, asleep, or after a restart."""

    value: float | None
    awake: float = 10.0
    slept: float = 0.0
    is_first_after_restart: bool = False


def rule(
    *, above: bool = True, clear: float = 80, duration: float = 0, cooldown: float = 0, at_start: bool = False
) -> ThresholdRule:
    """Return a rule with the level 90, or -90 if `above` is false."""
    side = 1 if above else -1
    return ThresholdRule(
        is_above=above,
        level=side * 90.0,
        clear=side * clear,
        duration=timedelta(seconds=duration),
        cooldown=timedelta(seconds=cooldown),
        at_start=at_start,
        max_sample_gap=timedelta(seconds=GAP),
    )


def moments(samples: list[Sample]) -> list[Moment]:
    """Return the moments of the samples; after a restart the monotonic clock has a new origin."""
    found, now = [], Moment(NOON, 0.0)
    for sample in samples:
        now = Moment(
            now.wall + timedelta(seconds=sample.awake + sample.slept),
            -1000.0 if sample.is_first_after_restart else now.mono + sample.awake,
            now.slept + sample.slept,
        )
        found.append(now)
    return found


def fired(given_rule: ThresholdRule, samples: list[Sample]) -> list[tuple[int, Crossing]]:
    """Return the samples at which it fires, with the crossings."""
    state, found = ThresholdState(), []
    for index, (sample, now) in enumerate(zip(samples, moments(samples), strict=True)):
        if sample.is_first_after_restart:
            state = evolve(state, mono=None)
        state, crossing = apply_sample(state, given_rule, sample.value, now)
        if crossing is not None:
            found.append((index, crossing))
    return found


def fired_at(given_rule: ThresholdRule, *values: float | Sample | None) -> list[int]:
    """Return the indices of the samples at which it fires; plain values are ten seconds apart."""
    samples = [value if isinstance(value, Sample) else Sample(value) for value in values]
    return [index for index, _ in fired(given_rule, samples)]


def expected(given_rule: ThresholdRule, samples: list[Sample]) -> list[int]:
    """Return the same from the whole history at each sample, as the page of the trigger defines it."""
    times, found = moments(samples), list[int]()
    first = next((index for index, sample in enumerate(samples) if sample.value is not None), 0)

    def beyond(index: int) -> bool:
        value = samples[index].value
        return value is not None and given_rule.is_beyond(value)

    def upstream_jobs(index: int) -> bool:
        sample = samples[index]
        return sample.slept < 1 and (sample.is_first_after_restart or sample.awake <= GAP)

    started_beyond = samples and beyond(first) and not given_rule.at_start
    disarmed_at = first if started_beyond else None
    for index in range(len(samples)):
        started = index
        while started > 0 and upstream_jobs(started) and beyond(started - 1):
            started -= 1
        steps = [samples[step] for step in range(started + 1, index + 1)]
        time_beyond = sum(step.awake for step in steps if not step.is_first_after_restart)
        is_long_enough = given_rule.duration == timedelta(0) or (
            bool(steps) and time_beyond >= given_rule.duration.total_seconds()
        )
        has_cleared = disarmed_at is None or any(
            sample.value is not None and given_rule.has_cleared(sample.value)
            for sample in samples[disarmed_at + 1 : index]
        )
        has_cooled = not found or times[index].wall >= times[found[-1]].wall + given_rule.cooldown
        if beyond(index) and is_long_enough and has_cleared and has_cooled and index != disarmed_at:
            found.append(index)
            disarmed_at = index
    return found


values = st.sampled_from([None, 0.0, 80.0, 80.5, 90.0, 90.5, 100.0])
samples = st.builds(
    Sample,
    values,
    st.sampled_from([5.0, 10.0, 10.0, 10.0, 30.0, 31.0]),
    st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.5, 60.0]),
    st.sampled_from([False, False, False, False, True]),
)
histories = st.lists(samples, max_size=40)
rules = st.builds(
    rule,
    clear=st.sampled_from([80, 90]),
    duration=st.sampled_from([0, 1, 10, 25, 60]),
    cooldown=st.sampled_from([0, 15, 100]),
    at_start=st.booleans(),
)


def mirrored(given_rule: ThresholdRule) -> ThresholdRule:
    return evolve(given_rule, is_above=False, level=-given_rule.level, clear=-given_rule.clear)


@given(rules, histories)
def test_threshold_fires_as_the_whole_history_demands(given_rule: ThresholdRule, history: list[Sample]) -> None:
    assert [index for index, _ in fired(given_rule, history)] == expected(given_rule, history)


@given(rules, histories)
def test_below_mirrors_above(given_rule: ThresholdRule, history: list[Sample]) -> None:
    mirror = [evolve(sample, value=None if sample.value is None else -sample.value) for sample in history]
    assert fired_at(mirrored(given_rule), *mirror) == fired_at(given_rule, *history)


@pytest.mark.requirement("R37")
@given(rules, histories)
def test_threshold_clears_between_two_crossings(given_rule: ThresholdRule, history: list[Sample]) -> None:
    indices = fired_at(given_rule, *history)
    for index in indices:
        value = history[index].value
        assert value is not None
        assert given_rule.is_beyond(value)
    for one, other in pairwise(indices):
        between = [sample.value for sample in history[one:other] if sample.value is not None]
        assert any(map(given_rule.has_cleared, between))


@given(rules, histories)
def test_crossing_keys_are_unique(given_rule: ThresholdRule, history: list[Sample]) -> None:
    found = fired(given_rule, history)
    assert len({crossing.key for _, crossing in found}) == len(found)
    walls = [moment.wall for moment in moments(history)]
    for index, crossing in found:
        assert crossing.at == walls[index]
        began = walls.index(crossing.since)
        assert all(
            sample.value is not None and given_rule.is_beyond(sample.value) for sample in history[began : index + 1]
        )


@given(rules, histories, st.integers(0, 40))
def test_unavailable_samples_never_add_crossings(given_rule: ThresholdRule, history: list[Sample], number: int) -> None:
    instant = evolve(given_rule, duration=timedelta(0), cooldown=timedelta(0))
    blind = [*history[:number], Sample(None), *history[number:]]
    assert len(fired_at(instant, *blind)) == len(fired_at(instant, *history))


# The rules of the page, one by one


def test_threshold_fires_once_while_beyond() -> None:
    assert fired_at(rule(), 50, 95, 96, 97) == [1]


def test_level_itself_is_not_beyond() -> None:
    assert fired_at(rule(), 50, 90, 90) == []


def test_start_beyond_the_level_fires_only_with_at_start() -> None:
    assert fired_at(rule(), 95, 95, 80, 95) == [3]
    assert fired_at(rule(at_start=True), 95, 95) == [0]
    assert fired_at(rule(at_start=True, duration=10), 95, 95) == [1]


def test_value_between_clear_and_level_does_not_rearm() -> None:
    assert fired_at(rule(clear=80), 50, 95, 81, 95, 80, 95) == [1, 5]
    assert fired_at(rule(clear=80), 85, 95) == [1]


def test_clear_itself_has_cleared() -> None:
    assert fired_at(rule(above=True, clear=80), 0, 95, 80, 95) == [1, 3]
    assert fired_at(rule(above=False, clear=80), 0, -95, -80, -95) == [1, 3]


def test_level_is_the_default_of_clear() -> None:
    assert fired_at(rule(clear=90), 50, 95, 90, 95) == [1, 3]


def test_unavailable_sample_does_not_rearm() -> None:
    assert fired_at(rule(), None, 95) == []
    assert fired_at(rule(), 50, 95, None, None, 95) == [1]


def test_armed_stays_armed_while_unavailable() -> None:
    assert fired_at(rule(), 50, None, 95) == [2]


def test_threshold_fires_after_for_and_two_samples() -> None:
    assert fired_at(rule(duration=20), 50, 95, 95, 95, 95) == [3]
    assert fired_at(rule(duration=1), 50, 95, 95) == [2]


def test_for_restarts_when_the_value_returns_or_is_missing() -> None:
    assert fired_at(rule(duration=20), 50, 95, 95, 85, 95, 95, 95) == [6]
    assert fired_at(rule(duration=20), 50, 95, 95, None, 95, 95, 95) == [6]


def test_suspend_restarts_for_with_the_next_sample() -> None:
    assert fired_at(rule(duration=20), 50, 95, 95, Sample(95, slept=3600), 95, 95) == [5]


def test_gap_restarts_for() -> None:
    assert fired_at(rule(duration=40), 50, 95, Sample(95, awake=GAP), 95) == [3]
    assert fired_at(rule(duration=40), 50, 95, Sample(95, awake=GAP + 1), 95, 95, 95, 95) == [6]


def test_suspend_leaves_armed_and_fired_alone() -> None:
    assert fired_at(rule(), 50, Sample(95, slept=3600)) == [1]
    assert fired_at(rule(), 50, 95, Sample(95, slept=3600)) == [1]


def test_downtime_does_not_count_towards_for() -> None:
    down = Sample(95, awake=3600, is_first_after_restart=True)
    assert fired_at(rule(duration=30), 50, 95, 95, down, 95, 95) == [5]


def test_suspend_during_downtime_restarts_the_fold() -> None:
    down = Sample(95, slept=3600, is_first_after_restart=True)
    assert fired_at(rule(duration=30), 50, 95, 95, down, 95, 95, 95) == [6]


def test_crossing_during_downtime_fires_in_the_fold() -> None:
    assert fired_at(rule(), 50, Sample(95, awake=3600, is_first_after_restart=True)) == [1]


@pytest.mark.requirement("R37")
def test_crossing_during_cooldown_fires_after_it() -> None:
    assert fired_at(rule(cooldown=45), 50, 95, 50, 95, 95, 95, 95) == [1, 6]
    assert fired_at(rule(cooldown=45), 50, 95, 50, 95, 50, 50, 95) == [1, 6]


@pytest.mark.parametrize("hours", [-2, 2])
def test_clock_step_makes_no_cooldown_longer(hours: int) -> None:
    state = ThresholdState(phase=Phase.ARMED, fired_at=NOON, mono=0.0, slept=0.0)
    later = Moment(NOON + timedelta(hours=hours), 10.0)
    _, crossing = apply_sample(state, rule(cooldown=3600), 95, later)
    assert crossing is not None
