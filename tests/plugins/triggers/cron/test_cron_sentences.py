"""Cron expressions as sentences: what they say, and that they say no more and no less than the expression."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.triggers.cron import CronTrigger
from rae_plugins.triggers.cron.expression import parse_expression

SENTENCES = [
    ("* * * * *", "every minute"),
    ("@hourly", "every hour"),
    ("0,15,30,45 * * * *", "every 15 minutes"),
    ("5 * * * *", "at minute 5 of every hour"),
    ("7,22 * * * *", "at minutes 7 and 22 of every hour"),
    ("*/15 8-17 * * 1-5", "every 15 minutes from 08:00 to 17:45, Monday to Friday"),
    ("* 9 * * *", "every minute from 09:00 to 09:59"),
    ("0 */2 * * *", "every 2 hours"),
    ("15 */6 * * *", "every 6 hours from 00:15"),
    ("30 9-17 * * *", "every hour from 09:30 to 17:30"),
    ("30 2 * * *", "every day at 02:30"),
    ("0,30 9 * * *", "every day at 09:00 and 09:30"),
    ("0 9,12,18 * * *", "every day at 09:00, 12:00 and 18:00"),
    ("*/10 * * * * *", "every 10 seconds"),
    ("0 4 * * 7", "at 04:00 on Sundays"),
    ("0 18 * * mon-fri", "at 18:00, Monday to Friday"),
    ("0 0 * * 6,0", "at 00:00 on Saturdays and Sundays"),
    ("0 9 * * mon#1", "at 09:00 on the first Monday of the month"),
    ("0 9 * * friL", "at 09:00 on the last Friday of the month"),
    ("0 0 1,15 * *", "at 00:00 on days 1 and 15 of the month"),
    ("@yearly", "at 00:00 on 1 January"),
    ("0 3 1-7 6-8 *", "at 03:00 on days 1 to 7 from June to August"),
    ("0 0 L * *", "at 00:00 on the last day of the month"),
    ("0 0 LW * *", "at 00:00 on the last working day of the month"),
    ("0 0 15W * *", "at 00:00 on the working day nearest to day 15 of the month"),
    ("0 0 13 * fri", "at 00:00 on day 13 of the month, and on Fridays"),
    ("0 3 * jan,jul sun", "at 03:00 on Sundays in January and July"),
    ("0 0 12 * * * 2027", "every day at 12:00 in 2027"),
]


@pytest.mark.parametrize(("expression", "sentence"), SENTENCES)
def test_expression_is_described_by_a_sentence(expression: str, sentence: str) -> None:
    assert CronTrigger(expression=expression).describe() == sentence


@pytest.mark.parametrize("expression", ["*/7 * * * *", "0 0 */2 * fri", "0 0 L-3 * *", "0 0 13 1 fri", "5 1 2 * * *"])
def test_expression_without_a_clear_sentence_is_its_summary(expression: str) -> None:
    assert CronTrigger(expression=expression).describe() == f"cron {expression}"


def _fields(low: int, high: int) -> st.SearchStrategy[str]:
    values = st.integers(low, high)
    ranges = st.tuples(values, values).map(lambda ends: f"{min(ends)}-{max(ends)}")
    steps = st.integers(1, (high - low) // 2 + 1).map(lambda step: f"*/{step}")
    lists = st.lists(values, min_size=1, max_size=4).map(lambda numbers: ",".join(map(str, numbers)))
    return st.one_of(st.just("*"), ranges, steps, lists)


_EXPRESSIONS = st.tuples(_fields(0, 59), _fields(0, 23), _fields(1, 31), _fields(1, 12), _fields(0, 7)).map(" ".join)
_seen: dict[str, tuple[str, object]] = {}


@given(_EXPRESSIONS)
def test_expressions_with_the_same_sentence_have_the_same_times(expression: str) -> None:
    try:
        calendar = parse_expression(expression).calendar
    except ValueError:  # no date matches
        return
    sentence = CronTrigger(expression=expression).describe()
    times = (calendar.seconds, calendar.minutes, calendar.hours, calendar.days)
    other, known = _seen.setdefault(sentence, (expression, times))
    assert times == known, f"{expression} and {other} are both described by {sentence!r}"
