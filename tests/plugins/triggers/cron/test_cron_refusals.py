"""Invalid cron expressions, refused in one line with place, problem and remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.triggers.cron import CronTrigger

REFUSED = [
    # how many fields, and what separates them
    ("", "has 0 fields"),
    ("* * * *", "has 4 fields; write 5"),
    ("* * * * * * * *", "has 8 fields"),
    ("0\u00a00 * * *", r'"\xa0"; write ASCII'),
    ("0\u30000 * * *", "write ASCII"),
    ("0\x1f0 * * *", r'"\x1f"'),
    ("0\x000 * * *", r'"\x00"'),
    # numbers and names
    ("60 * * * *", 'minute "60": write a value from 0 to 59'),
    ("* 24 * * *", 'hour "24": write a value from 0 to 23'),
    ("* * 0 * *", 'day of month "0": write a value from 1 to 31'),
    ("* * * 13 *", 'month "13": write a value from 1 to 12 or JAN to DEC'),
    ("* * * * 8", 'day of week "8": write a value from 0 to 7 or SUN to SAT'),
    ("60 * * * * *", 'second "60"'),
    ("0 0 0 1 1 ? 2100", 'year "2100": write a value from 1970 to 2099'),
    ("0 0 0 1 1 ? 1969", 'year "1969"'),
    ("0 0 0 1 1 ? 9999", 'year "9999"'),
    ("+5 * * * *", 'minute "+5"'),
    ("-5 * * * *", 'minute "-5"'),
    ("5.0 * * * *", 'minute "5.0"'),
    ("1e1 * * * *", 'minute "1E1"'),
    ("1_0 * * * *", 'minute "1_0"'),
    ("0x5 * * * *", 'minute "0X5"'),
    ("\u0665 * * * *", "write ASCII"),
    ("0 0 * * monday", 'day of week "MONDAY"'),
    ("0 0 * sept *", 'month "SEPT"'),
    ("0 0 * * \u017fun", r'"\u017f"'),
    ("JAN * * * *", 'minute "JAN"'),
    # lists, ranges, steps
    ("1,,2 * * * *", 'minute "1,,2": the list has an empty item'),
    (",1 * * * *", "has an empty item"),
    ("1, * * * *", "has an empty item"),
    ("1- * * * *", 'minute "1-"'),
    ("1-2-3 * * * *", 'minute "1-2-3"'),
    ("*-5 * * * *", 'minute "*-5"'),
    ("0 0 0 1 7 * 2031-2029", 'year "2031-2029": the range runs backwards; write the earlier year first'),
    ("*/0 * * * *", 'minute "*/0": the step must be a whole number of at least 1'),
    ("*/ * * * *", 'minute "*/": the step'),
    ("*/-1 * * * *", 'minute "*/-1": the step'),
    ("*/2/2 * * * *", 'minute "*/2/2": the step'),
    ("/5 * * * *", 'minute "/5"'),
    ("*/90 * * * *", 'minute "*/90": the step is larger than the field; use an interval trigger'),
    ("0 */25 * * *", 'hour "*/25": the step is larger'),
    ("0 0 1 */13 *", 'month "*/13": the step is larger'),
    ("0 0 * * */8", 'day of week "*/8": the step is larger'),
    ("0 0 */100,1-7 * MON", "write MON#1"),
    # special days stand in their own field, whole
    ("? * * * *", 'minute "?"'),
    ("* * * ? *", 'month "?"'),
    ("0 0 1,? * *", 'day of month "?"'),
    ("0 0 ?/2 * *", 'day of month "?/2"'),
    ("L * * * *", 'minute "L"'),
    ("0 0 L/2 * *", 'day of month "L/2"'),
    ("0 0 L-31 * *", 'day of month "L-31": a month has no such day; write a number up to 30 after L-'),
    ("0 0 L-29 2 *", "never matches: no date has"),
    ("0 0 L- * *", 'day of month "L-"'),
    ("0 0 3-L * *", 'day of month "3-L"'),
    ("0 0 1-L * *", 'day of month "1-L"'),
    ("0 0 32W * *", 'day of month "32W"'),
    ("0 0 W * *", 'day of month "W"'),
    ("0 0 1-5W * *", 'day of month "1-5W"'),
    ("0 0 * * L", "write FRIL for the last Friday"),
    ("0 0 * * LW", 'day of week "LW"'),
    ("0 0 * * 5#0", 'day of week "5#0"'),
    ("0 0 * * 5#6", "write a number from 1 to 5 after the #"),
    ("0 0 * * 5#", 'day of week "5#"'),
    ("0 0 * * #2", 'day of week "#2"'),
    ("0 0 * * 1-3#2", 'day of week "1-3#2"'),
    ("0 0 * * 1-3L", 'day of week "1-3L"'),
    ("0 0 5#3 * *", 'day of month "5#3"'),
    # macros, zones, hashes
    ("@every", "use an interval trigger"),
    ("@fortnightly", 'unknown macro "@fortnightly"; write one of @yearly'),
    ("@daily 5", "unknown macro"),
    ("CRON_TZ=Europe/Paris 0 2 * * *", "give it as the option timezone"),
    ("TZ=UTC 0 2 * * *", "give it as the option timezone"),
    ("0 2 * * * Europe/Paris", "give it as the option timezone"),
    ("0 2 * * * utc", "give it as the option timezone"),
    ("H * * * *", "spread starts with the option jitter"),
    ("0 H(0-3) * * *", "spread starts with the option jitter"),
    ("R/5 * * * *", "spread starts with the option jitter"),
    # what never matches
    ("30 2 30 2 *", 'no date has day of month "30", month "2"; change one of them'),
    ("0 0 31 4,6,9,11 *", "never matches"),
    ("0 0 0 29 2 ? 2001-2003", 'year "2001-2003"'),
    ("0 0 0 29 2 ? */4", 'year "*/4"'),
    ("0 0 */20 * MON#2", 'no date has day of month "*/20", day of week "MON#2"'),
    ("0 0 0 ? FEB MON#5 2073-2099", "never matches"),
    # what is too long
    ("9" * 5000 + " * * * *", "has 5008 characters; write 4096 at most"),
    ("9" * 4000 + " * * * *", 'minute "9999'),
    ("*/" + "9" * 4000 + " * * * *", "the step is larger"),
]


@pytest.mark.requirement("R16")
@pytest.mark.parametrize(("expression", "reason"), REFUSED, ids=[ascii(expression)[:40] for expression, _ in REFUSED])
def test_invalid_expression_is_refused_with_a_reason(expression: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        CronTrigger(expression=expression)
    message = str(caught.value)
    assert reason in message
    assert message.isprintable()
    assert len(message) < 250


@pytest.mark.parametrize("value", [None, 5, b"* * * * *", ["*"], {}])
def test_expression_must_be_a_string(value: object) -> None:
    with pytest.raises(ValueError, match="must be a string"):
        CronTrigger(expression=value)  # type: ignore[arg-type] # as a caller without types would


@pytest.mark.parametrize("name", ["Nowhere/City", "../etc/passwd", "/etc/localtime", "Europe", "UTC\0", "x" * 5000, ""])
def test_cron_refuses_an_unknown_zone(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        CronTrigger(expression="0 0 * * *", timezone=name)


@pytest.mark.requirement("R16")
@given(st.lists(st.text("0123456789*/-,?#LWHRSUNFEB@= \t\n\u00e9", max_size=6), max_size=9).map(" ".join))
def test_any_text_is_parsed_or_refused_in_one_line(text: str) -> None:
    try:
        CronTrigger(expression=text)
    except ValueError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 250


def test_expression_with_long_lists_is_parsed() -> None:
    CronTrigger(expression=",".join(["1-59/2"] * 500) + " * * * *")
