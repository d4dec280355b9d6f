"""Fields of APScheduler's cron trigger as an expression here.

There, Monday is 0, all fields must match (also day and day of the week), and a position such as "1st fri" is of the
day. So a day of the month beside days of the week needs a guard, and a position stands in the field of the week.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from rae_plugins.commands.importing.readers.apscheduler_stores.pickled_values import StandIn

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_POSITIONS = ("1st", "2nd", "3rd", "4th", "5th", "last")
_ORDER = ("second", "minute", "hour", "day", "month", "day_of_week", "year")


@frozen
class CronFields:
    """An expression, whether both of its days must match, and the fields as APScheduler writes them."""

    expression: str
    needs_both_days: bool
    texts: Mapping[str, str]


def read_cron_fields(fields: Sequence[StandIn]) -> CronFields:
    """Return the expression of a trigger. Raises ValueError for what cron can't say."""
    found = {str(field.state["name"]): list(field.state["expressions"]) for field in fields}
    texts = {name: ",".join(map(_write_there, expressions)) for name, expressions in found.items()}
    if texts.get("week", "*") != "*":
        raise ValueError(f"week={texts['week']!r}: an expression has no weeks of the year")
    ours = {name: ",".join(_write_here(one, name) for one in expressions) for name, expressions in found.items()}
    positions = [one for one in found["day"] if _is_position(one)]
    needs_both = ours["day"][:1] != "*" and ours["day_of_week"][:1] != "*"
    if positions:
        if texts["day_of_week"] != "*":
            raise ValueError(f"day={texts['day']!r} together with day_of_week={texts['day_of_week']!r}")
        others = [_write_here(one, "day") for one in found["day"] if not _is_position(one)]
        # Either of the two starts it, where both are given.
        ours |= {"day": ",".join(others) or "*", "day_of_week": ",".join(_write_here(one, "day") for one in positions)}
        needs_both = False
    values = [ours.get(name, "*") for name in _ORDER]
    if values[-1] == "*":
        values.pop()
        if values[0] == "0":
            values.pop(0)
    return CronFields(" ".join(values), needs_both, texts)


def _is_position(expression: StandIn) -> bool:
    return type(expression).__name__ == "WeekdayPositionExpression"


def _write_there(expression: StandIn) -> str:
    state = expression.state
    match type(expression).__name__:
        case "LastDayOfMonthExpression":
            return "last"
        case "WeekdayPositionExpression":
            return f"{_POSITIONS[state['option_num']]} {_WEEKDAYS[state['weekday']]}"
        case "MonthRangeExpression":
            return _join_names(_MONTHS, state, first=1)
        case "WeekdayRangeExpression":
            return _join_names(_WEEKDAYS, state, first=0)
        case "RangeExpression":
            last = f"-{state['last']}" if state["last"] not in (None, state["first"]) else ""
            return f"{state['first']}{last}{_step_of(state)}"
        case "AllExpression":
            return f"*{_step_of(state)}"
    raise ValueError(f"an expression of the type {type(expression).__name__} is not known")


def _step_of(state: Mapping[str, Any]) -> str:
    return f"/{state['step']}" if state.get("step") else ""


def _join_names(names: Sequence[str], state: Mapping[str, Any], *, first: int) -> str:
    begin, end = names[state["first"] - first], state["last"]
    return begin if end in (None, state["first"]) else f"{begin}-{names[end - first]}"


def _write_here(expression: StandIn, name: str) -> str:
    text, state = _write_there(expression), expression.state
    if name != "day_of_week" or "first" not in state:
        if _is_position(expression):
            day, number = _WEEKDAYS[state["weekday"]], state["option_num"]
            return f"{(state['weekday'] + 1) % 7}L" if number == len(_POSITIONS) - 1 else f"{day}#{number + 1}"
        if name == "day_of_week" and state.get("step"):
            return ",".join(_WEEKDAYS[:: state["step"]])
        return "L" if text == "last" else text
    if type(expression).__name__ == "WeekdayRangeExpression":
        return text
    last = len(_WEEKDAYS) - 1 if state["last"] is None else state["last"]
    return ",".join(_WEEKDAYS[state["first"] : last + 1 : state.get("step") or 1])
