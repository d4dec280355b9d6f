"""Schedules of cronstable and yacron: their fields, in which both days must match, with the year last."""

import re
from collections.abc import Mapping
from typing import Any

from rae_plugins.commands.importing.day_rules import require_both_days
from rae_plugins.commands.importing.imported import FireTimes
from rae_plugins.triggers.cron import CronTrigger

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_OBJECT_FIELDS = ("minute", "hour", "dayOfMonth", "month", "dayOfWeek")
_HASHED = re.compile(r"H(?:\((\d+)-(\d+)\))?(?:/(\d+))?")
_FIRST_VALUES = {1: 0, 2: 0, 3: 1, 4: 1, 5: 0}
"""The least value of each field, by its place among six of which the first is the second."""


def read_schedule(given: str | Mapping[str, Any], timezone: str | None, remarks: list[str]) -> dict[str, Any]:
    """Return the keys `trigger`, and `guards` where a guard must keep both days; `times` are those of the source.

    Raises ValueError for what can't be said here.
    """
    text = given if isinstance(given, str) else _join_fields(given)
    if text.strip() == "@reboot":
        remarks.append("starts once in each boot; there it does at each start of the daemon")
        return {"trigger": {"type": "system", "on": ["boot"]}, "times": ()}
    expression = _replace_hashed(_MACROS.get(text.strip().lower(), text), remarks)
    expression, guard = require_both_days(_order_fields(expression), timezone)
    options = {"expression": expression, **({"timezone": timezone} if timezone else {})}
    try:
        CronTrigger(**options)
    except ValueError as error:
        if "never matches" not in str(error):
            raise
        remarks.append(f"{text!r} never comes, so it is started by hand: 'rae-auto trigger JOB'")
        return {"trigger": {"type": "manual"}, "times": ()}
    # Those who calculate for comparison know five fields.
    original = _MACROS.get(text.strip().lower(), text)
    is_plain = len(original.split()) == 5 and "H" not in original and "?" not in original
    times = (FireTimes("both", _to_plain(original), timezone),) if is_plain else ()
    return {"trigger": {"type": "cron", **options}, "times": times, **({"guards": [guard]} if guard else {})}


def _join_fields(table: Mapping[str, Any]) -> str:
    fields = [str(table.get(name, "*")) for name in _OBJECT_FIELDS]
    year = [str(table["year"])] if "year" in table else []
    if "second" in table:
        return " ".join([str(table["second"]), *fields, *(year or ["*"])])
    return " ".join(fields + year)


def _order_fields(expression: str) -> str:
    """Return fields in the order of here, where the seconds come first whenever there are more than five."""
    fields = [_last_weekday(field) for field in expression.split()]
    if len(fields) == 6:
        fields = ["0", *fields]
    # A year that is any needs no field.
    return " ".join(fields[:-1] if len(fields) == 7 and fields[-1] == "*" else fields)


def _last_weekday(field: str) -> str:
    match = re.fullmatch(r"[Ll](\d|[A-Za-z]{3})", field)
    return f"{match[1]}L" if match is not None else field


def _to_plain(text: str) -> str:
    return " ".join(_last_weekday(field) for field in text.split())


def _replace_hashed(expression: str, remarks: list[str]) -> str:
    fields = expression.split()
    offset = 0 if len(fields) == 7 else 1
    replaced = [_replace_one(field, index + offset) for index, field in enumerate(fields)]
    if replaced != fields:
        remarks.append(
            f"cronstable chooses the values of {expression!r} from the name; 'cronstable' shows them, write them here"
        )
    return " ".join(replaced)


def _replace_one(field: str, place: int) -> str:
    match = _HASHED.fullmatch(field)
    if match is None:
        return field
    low = match[1] or str(_FIRST_VALUES.get(place, 0))
    if match[3] is None:
        return low
    return f"{low}-{match[2]}/{match[3]}" if match[2] else f"{low}/{match[3]}" if low != "0" else f"*/{match[3]}"
