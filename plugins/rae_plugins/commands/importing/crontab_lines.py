"""The lines of a crontab: comments, variables and entries, by the rules of crontab(5) of Debian's cron and cronie."""

import re
from collections.abc import Iterator

from attrs import frozen

from rae_auto.model.primitives.formatting import quote

_VARIABLE = re.compile(r"""\s*(?P<name>"[^"]+"|'[^']+'|[^\s"'=]+)\s*=\s*(?P<value>.*?)\s*$""")
_MACRO = re.compile(r"@[A-Za-z]+")
_INPUT = re.compile(r"(?P<command>(?:[^\\%]|\\.?)*)(?:%(?P<input>.*))?")

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_FIELD_VALUE = r"\d+|[A-Za-z]{3}"
_ITEM = re.compile(
    rf"(?:\*|(?P<first>{_FIELD_VALUE})-(?P<last>{_FIELD_VALUE}))(?:/\d+)?|{_FIELD_VALUE}|\d*~\d*(?:/\d+)?"
)
_CUT = re.compile(rf"(?P<value>{_FIELD_VALUE})#.*")
_DAY_AND_MONTH_NAMES = (
    *("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"),
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_FIRST_MONTH = 7


@frozen
class CommentLine:
    """A comment, without its `#`, or an empty line (None)."""

    text: str | None


@frozen
class VariableLine:
    """A variable, which counts for the entries below it."""

    name: str
    value: str


@frozen
class EntryLine:
    """An entry: five fields or a macro, the user in a system crontab, and the command with its `%`."""

    schedule: str
    user: str | None
    command: str
    is_quiet: bool = False
    """It began with `-`, which keeps cron from logging it."""


@frozen
class BadLine:
    """A line that cron would refuse, and why."""

    text: str
    problem: str


CrontabLine = CommentLine | VariableLine | EntryLine | BadLine


def parse_crontab(text: str, *, has_users: bool) -> Iterator[tuple[int, CrontabLine]]:
    """Yield each line of a crontab with its number, from 1."""
    for number, line in enumerate(text.splitlines(), 1):
        yield number, _parse_line(line, has_users=has_users)


def _parse_line(line: str, *, has_users: bool) -> CrontabLine:
    plain = line.strip()
    if not plain:
        return CommentLine(None)
    if plain.startswith("#"):
        return CommentLine(plain.removeprefix("#").strip())
    variable = _VARIABLE.fullmatch(line)
    # An entry may have a `=` too, but it begins with a field or a macro.
    if variable is not None and re.match(r"""\s*["'A-Za-z_]""", line) and not plain.startswith("@"):
        return VariableLine(_unquote(variable["name"]), _unquote(variable["value"]))
    # Blanks at the end may be part of the standard input.
    return _parse_entry(line.lstrip(), has_users=has_users)


def _unquote(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _parse_entry(line: str, *, has_users: bool) -> EntryLine | BadLine:
    is_quiet = line.startswith("-")
    rest = line.removeprefix("-").lstrip()
    count = 1 if _MACRO.match(rest) else 5
    words = rest.split(None, count + has_users)
    if len(words) <= count + has_users:
        problem = "has no command" if len(words) > count or not has_users else "has no user and no command"
        return BadLine(line.rstrip(), problem if len(words) >= count else "has fewer than five fields")
    schedule, user = " ".join(words[:count]), words[count] if has_users else None
    return EntryLine(schedule, user, words[-1], is_quiet)


def split_input(command: str) -> tuple[str, str | None]:
    r"""Return a command and its standard input: what follows the first `%`, where further ones are ends of lines.

    `\%` is a percent sign. In a command the first backslash of `\\%` protects the second one, in the input it protects
    nothing, as in do_command.c of cronie. An input that isn't empty gets an end of its last line if it has none.
    """
    found = _INPUT.fullmatch(command)
    assert found is not None  # any text matches
    first = re.sub(r"\\(.)", lambda pair: "%" if pair[1] == "%" else pair[0], found["command"])
    if not found["input"]:
        return first.rstrip(), None
    text = re.sub(r"\\?%", lambda sign: "%" if len(sign[0]) > 1 else "\n", found["input"])
    return first.rstrip(), text if text.endswith("\n") else f"{text}\n"


def find_foreign_field(schedule: str) -> str | None:
    """Return how cron reads a schedule that is valid here, and what to write instead; None if it reads the same.

    As `crontab -n` of Debian's cron 3.0pl1: it drops what follows a value, and a range that goes backwards is empty.
    """
    if schedule.startswith("@"):
        plain = schedule.lower()
        hint = f"write {quote(plain)} if it is to start"
        return (
            None
            if plain == schedule
            else f"{quote(schedule)}: Debian's cron refuses capitals, so it never runs this; {hint}"
        )
    fields = schedule.split()
    for index, (name, field) in enumerate(zip(_FIELDS, fields, strict=False)):
        for item in field.split(","):
            if (reading := _describe_item(item)) is not None:
                other = ""
                if cut := _CUT.fullmatch(item):
                    as_cron = " ".join([*fields[:index], cut["value"], *fields[index + 1 :]])
                    other = f", or schedule = {quote(as_cron)} for what cron does"
                hint = f"write schedule = {quote(schedule)} here if it is to do what it says{other}"
                return f"{name} {quote(item)}: {reading}; {hint}"
    return None


def _describe_item(item: str) -> str | None:
    if (cut := _CUT.fullmatch(item)) is not None:
        return f"Debian's cron drops what follows {cut['value']}, so it starts this each {cut['value']}"
    found = _ITEM.fullmatch(item)
    if found is None:
        return "Debian's cron refuses it, so it never runs this"
    if found["first"] and _number_of(found["first"]) > _number_of(found["last"]):
        return "for Debian's cron a range that goes backwards is empty, so it never runs this"
    return None


def _number_of(text: str) -> int:
    if text.isdecimal():
        return int(text)
    index = _DAY_AND_MONTH_NAMES.index(text.upper())
    return index if index < _FIRST_MONTH else index - _FIRST_MONTH + 1
