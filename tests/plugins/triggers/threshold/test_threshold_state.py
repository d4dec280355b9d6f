"""When a threshold fires: the pure part."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.model.primitives.instants import Moment
from rae_plugins.triggers.threshold.state import Firing, Phase, Rule, State, sampled

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
GAP = 30.0


@frozen
class Sample:
    """A value, and what lay between it and the sample before: awake, asleep, or in a daemon that ended."""

    value: float | None
    awake: float = 10.0
    slept: float = 0.0
    is_first_after_restart: bool = False


def rule(
    *, above: bool = True, clear: float = 80, lasting: float = 0, cooldown: float = 0, at_start: bool = False
) -> Rule:
    """Beyond 90, or below -90."""
    side = 1 if above else -1
    return Rule(
        is_above=above,
        level=side * 90.0,
        clear=side * clear,
        lasting=timedelta(seconds=lasting),
        cooldown=timedelta(seconds=cooldown),
        at_start=at_start,
        gap=timedelta(seconds=GAP),
    )


def moments(samples: list[Sample]) -> list[Moment]:
    """When the samples are taken; after a restart the monotonic clock may count from anywhere."""
    found, now = [], Moment(NOON, 0.0)
    for sample in samples:
        now = Moment(
            now.wall + timedelta(seconds=sample.awake + sample.slept),
            -1000.0 if sample.is_first_after_restart else now.mono + sample.awake,
            now.slept + sample.slept,
        )
        found.append(now)
    return found


def fired(given_rule: Rule, samples: list[Sample]) -> list[tuple[int, Firing]]:
    """Which samples have it fire."""
    state, found = State(), []
    for index, (sample, now) in enumerate(zip(samples, moments(samples), strict=True)):
        if sample.is_first_after_restart:
            state = evolve(state, mono=None)
        state, firing = sampled(state, given_rule, sample.value, now)
        if firing is not None:
            found.append((index, firing))
    return found


def fired_at(given_rule: Rule, *values: float | Sample | None) -> list[int]:
    """The indices of those that have it fire; plain values come ten seconds one after another."""
    samples = [value if isinstance(value, Sample) else Sample(value) for value in values]
    return [index for index, _ in fired(given_rule, samples)]


def expected(given_rule: Rule, samples: list[Sample]) -> list[int]:
    """The same by looking back over the whole history at each sample, as the page of the trigger defines it."""
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
        begun = index
        while begun > 0 and upstream_jobs(begun) and beyond(begun - 1):
            begun -= 1
        steps = [samples[step] for step in range(begun + 1, index + 1)]
        held = sum(step.awake for step in steps if not step.is_first_after_restart)
        is_long_enough = given_rule.lasting == timedelta(0) or (
            bool(steps) and held >= given_rule.lasting.total_seconds()
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
    lasting=st.sampled_from([0, 1, 10, 25, 60]),
    cooldown=st.sampled_from([0, 15, 100]),
    at_start=st.booleans(),
)


def mirrored(given_rule: Rule) -> Rule:
    return evolve(given_rule, is_above=False, level=-given_rule.level, clear=-given_rule.clear)


@given(rules, histories)
def test_it_fires_where_the_whole_history_says_so(given_rule: Rule, history: list[Sample]) -> None:
    assert [index for index, _ in fired(given_rule, history)] == expected(given_rule, history)


@given(rules, histories)
def test_below_is_above_seen_in_a_mirror(given_rule: Rule, history: list[Sample]) -> None:
    mirror = [evolve(sample, value=None if sample.value is None else -sample.value) for sample in history]
    assert fired_at(mirrored(given_rule), *mirror) == fired_at(given_rule, *history)


@given(rules, histories)
def test_it_fires_only_beyond_and_between_two_firings_it_has_cleared_R37(
    given_rule: Rule, history: list[Sample]
) -> None:
    indices = fired_at(given_rule, *history)
    for index in indices:
        value = history[index].value
        assert value is not None
        assert given_rule.is_beyond(value)
    for one, other in pairwise(indices):
        between = [sample.value for sample in history[one:other] if sample.value is not None]
        assert any(map(given_rule.has_cleared, between))


@given(rules, histories)
def test_no_two_firings_have_one_key_and_each_names_its_crossing(given_rule: Rule, history: list[Sample]) -> None:
    found = fired(given_rule, history)
    assert len({firing.key for _, firing in found}) == len(found)
    walls = [moment.wall for moment in moments(history)]
    for index, firing in found:
        assert firing.at == walls[index]
        crossing = walls.index(firing.since)
        assert all(
            sample.value is not None and given_rule.is_beyond(sample.value) for sample in history[crossing : index + 1]
        )


@given(rules, histories, st.integers(0, 40))
def test_unavailable_samples_never_make_it_fire_more_often(
    given_rule: Rule, history: list[Sample], number: int
) -> None:
    instant = evolve(given_rule, lasting=timedelta(0), cooldown=timedelta(0))
    blind = [*history[:number], Sample(None), *history[number:]]
    assert len(fired_at(instant, *blind)) == len(fired_at(instant, *history))


# The rules of the page, one by one


def test_it_fires_on_the_way_up_and_not_again_while_it_stays_there() -> None:
    assert fired_at(rule(), 50, 95, 96, 97) == [1]


def test_the_level_itself_is_not_beyond() -> None:
    assert fired_at(rule(), 50, 90, 90) == []


def test_already_beyond_at_the_start_fires_only_when_asked() -> None:
    assert fired_at(rule(), 95, 95, 80, 95) == [3]
    assert fired_at(rule(at_start=True), 95, 95) == [0]
    assert fired_at(rule(at_start=True, lasting=10), 95, 95) == [1]


def test_between_clear_and_level_it_is_not_armed_again_but_is_at_first() -> None:
    assert fired_at(rule(clear=80), 50, 95, 81, 95, 80, 95) == [1, 5]
    assert fired_at(rule(clear=80), 85, 95) == [1]


def test_clear_itself_has_cleared_from_either_side() -> None:
    assert fired_at(rule(above=True, clear=80), 0, 95, 80, 95) == [1, 3]
    assert fired_at(rule(above=False, clear=80), 0, -95, -80, -95) == [1, 3]


def test_without_clear_the_level_is_where_it_clears() -> None:
    assert fired_at(rule(clear=90), 50, 95, 90, 95) == [1, 3]


def test_unavailable_does_not_arm() -> None:
    assert fired_at(rule(), None, 95) == []
    assert fired_at(rule(), 50, 95, None, None, 95) == [1]


def test_what_was_armed_is_so_after_it_was_unavailable() -> None:
    assert fired_at(rule(), 50, None, 95) == [2]


def test_it_fires_after_for_and_two_readings() -> None:
    assert fired_at(rule(lasting=20), 50, 95, 95, 95, 95) == [3]
    assert fired_at(rule(lasting=1), 50, 95, 95) == [2]


def test_for_begins_anew_when_the_value_comes_back_or_is_unavailable() -> None:
    assert fired_at(rule(lasting=20), 50, 95, 95, 85, 95, 95, 95) == [6]
    assert fired_at(rule(lasting=20), 50, 95, 95, None, 95, 95, 95) == [6]


def test_a_suspend_begins_for_anew_with_the_first_reading_after_it() -> None:
    assert fired_at(rule(lasting=20), 50, 95, 95, Sample(95, slept=3600), 95, 95) == [5]


def test_a_gap_begins_for_anew() -> None:
    assert fired_at(rule(lasting=40), 50, 95, Sample(95, awake=GAP), 95) == [3]
    assert fired_at(rule(lasting=40), 50, 95, Sample(95, awake=GAP + 1), 95, 95, 95, 95) == [6]


def test_a_suspend_leaves_armed_and_fired_alone() -> None:
    assert fired_at(rule(), 50, Sample(95, slept=3600)) == [1]
    assert fired_at(rule(), 50, 95, Sample(95, slept=3600)) == [1]


def test_time_in_which_the_daemon_was_down_does_not_count_and_what_was_before_does() -> None:
    down = Sample(95, awake=3600, is_first_after_restart=True)
    assert fired_at(rule(lasting=30), 50, 95, 95, down, 95, 95) == [5]


def test_a_suspend_while_the_daemon_was_down_is_one_too() -> None:
    down = Sample(95, slept=3600, is_first_after_restart=True)
    assert fired_at(rule(lasting=30), 50, 95, 95, down, 95, 95, 95) == [6]


def test_what_crossed_while_the_daemon_was_down_fires() -> None:
    assert fired_at(rule(), 50, Sample(95, awake=3600, is_first_after_restart=True)) == [1]


def test_a_crossing_in_the_cool_down_fires_when_that_is_over_if_it_still_holds_R37() -> None:
    assert fired_at(rule(cooldown=45), 50, 95, 50, 95, 95, 95, 95) == [1, 6]
    assert fired_at(rule(cooldown=45), 50, 95, 50, 95, 50, 50, 95) == [1, 6]


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_set_makes_no_cool_down_longer_than_it_is(hours: int) -> None:
    state = State(phase=Phase.ARMED, fired_at=NOON, mono=0.0, slept=0.0)
    later = Moment(NOON + timedelta(hours=hours), 10.0)
    _, firing = sampled(state, rule(cooldown=3600), 95, later)
    assert firing is not None
