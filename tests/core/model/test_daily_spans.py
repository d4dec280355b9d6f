"""Spans of a day: what people write, and when they end by the local clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.model.primitives.daily_spans import find_end_of_spans, parse_daily_span
from rae_auto.testing.harness.strategies import instants

BERLIN = ZoneInfo("Europe/Berlin")


def end_of(texts, local, zone=BERLIN):
    """Return when the spans end, in the zone; "" outside of them."""
    instant = datetime.fromisoformat(local).replace(tzinfo=zone)
    end = find_end_of_spans(map(parse_daily_span, texts), instant, zone)
    return "" if end is None else f"{end.astimezone(zone):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("texts", "local", "end"),
    [
        (["22:00-07:00"], "2026-01-05 21:59", ""),
        (["22:00-07:00"], "2026-01-05 22:00", "2026-01-06 07:00"),
        (["22:00-07:00"], "2026-01-06 06:59", "2026-01-06 07:00"),
        (["22:00-07:00"], "2026-01-06 07:00", ""),
        (["12:00 - 13:30"], "2026-01-06 13:00", "2026-01-06 13:30"),
        (["Sat,Sun 00:00-24:00"], "2026-01-03 10:00", "2026-01-05 00:00"),
        (["Sat-Mon 00:00-24:00"], "2026-01-05 10:00", "2026-01-06 00:00"),
        (["fri 22:00-06:00"], "2026-01-03 05:00", "2026-01-03 06:00"),
        (["fri 22:00-06:00"], "2026-01-04 05:00", ""),
        (["22:00-07:00", "Sat,Sun 00:00-24:00"], "2026-01-02 23:00", "2026-01-05 07:00"),
        # When clocks are changed: 02:30 does not occur, or occurs twice.
        (["22:00-02:30"], "2026-03-28 23:00", "2026-03-29 03:30"),
        (["22:00-02:30"], "2026-10-24 23:00", "2026-10-25 02:30"),
        (["00:00-24:00"], "2026-01-05 10:00", "2026-01-20 00:00"),
    ],
)
def test_spans_end_by_the_local_clock(texts, local, end):
    assert end_of(texts, local) == end


@pytest.mark.parametrize(
    "text",
    ["", "22-7", "22:00", "25:00-07:00", "22:60-07:00", "07:00-07:00", "24:00-07:00", "Xyz 22:00-07:00", "1" * 99],
)
def test_invalid_span_is_an_error_with_an_example(text):
    with pytest.raises(ValueError, match=r'^invalid span of the day ".*"; write "22:00-07:00"'):
        parse_daily_span(text)


@given(instants, st.integers(0, 1439), st.integers(1, 1440))
def test_end_of_a_span_is_later_and_outside(instant, begin, end):
    if (end - begin) % 1440 == 0:
        return  # No span, or one that begins again where it ends.
    span = parse_daily_span(f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}")
    found = span.find_end(instant, UTC)
    assert found is None or (instant < found <= instant + timedelta(days=1) and span.find_end(found, UTC) is None)
