"""Zone files, and the name that belongs to the bytes of one.

A file may be a copy without a name (containers, Alpine), of another release of the database, or with leap seconds
(`right/`). Files with the same bytes are the same zone. Others are if their rule for the future is the same text and
their clocks agree in every month of many years: that is slower, and rarely needed.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo, available_timezones

MAX_FILE_BYTES = 1 << 20

_FIRST_YEAR, _LAST_YEAR = 1970, 2037
_LAST_YEAR_WITH_LEAP_SECONDS = 2024
_MIDDLE_OF_MONTH = 15


def read_zone_file(path: Path) -> bytes:
    """Return the bytes of a zone file. Errors: ValueError if it isn't one or can't be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise ValueError(f"{path} can't be read ({error.strerror})") from None
    if not _is_zone(content):
        raise ValueError(f"{path} is not a time zone file")
    return content


@lru_cache(maxsize=4)
def _is_zone(content: bytes) -> bool:
    try:
        ZoneInfo.from_file(BytesIO(content))
    except Exception:  # The standard library raises several kinds for arbitrary bytes.
        return False
    return True


def make_zone(content: bytes, key: str) -> ZoneInfo:
    """Return the zone of the bytes of a file."""
    return ZoneInfo.from_file(BytesIO(content), key=key)


@lru_cache(maxsize=4)
def find_zone_name(content: bytes, expected: str = "") -> str | None:
    """Return the name of the zone that has these bytes; None if there is none.

    Many zones have several names: `expected` is preferred, then one that stands for a place.
    """
    known = {name: found for name in available_timezones() if (found := read_named_file(name)) is not None}
    same = [name for name, other in known.items() if other == content]
    if not same:
        same = [name for name, other in known.items() if _have_same_clock(content, other)]
    if expected in same:
        return expected
    places = _read_places()
    return min(same, key=lambda name: (name not in places, name != "UTC", "/" not in name, name), default=None)


def read_named_file(name: str) -> bytes | None:
    """Return the file of a name: where the standard library finds it, in the system or in tzdata."""
    for path in (Path(base, name) for base in TZPATH):
        if path.is_file():
            return path.read_bytes()
    return _read_from_package(name)


def _read_from_package(name: str) -> bytes | None:
    from importlib.resources import files  # lazy: start-up

    try:
        return files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    except (OSError, ImportError):
        return None


def _have_same_clock(one: bytes, other: bytes) -> bool:
    rules = {_read_rule(one), _read_rule(other)}
    # A file with leap seconds has no rule for the future, and ends where these are not known.
    if len(rules) > 1 and b"" not in rules:
        return False
    end = _LAST_YEAR if len(rules) == 1 else _LAST_YEAR_WITH_LEAP_SECONDS
    return all(here == there for here, there in zip(_read_clock(one, end), _read_clock(other, end), strict=True))


def _read_rule(content: bytes) -> bytes:
    """Return the rule for the future that stands at the end of a file."""
    return content.removesuffix(b"\n").rpartition(b"\n")[2]


def _read_clock(content: bytes, end: int) -> Iterator[tuple[object, object]]:
    zone = make_zone(content, "")
    for year in range(_FIRST_YEAR, end):
        for month in range(1, 13):
            instant = datetime(year, month, _MIDDLE_OF_MONTH, 12, tzinfo=zone)
            yield instant.utcoffset(), instant.tzname()


def _read_places() -> set[str]:
    """Return the names that stand for places, each clock once, from the table zone1970.tab."""
    content = next(filter(None, map(read_named_file, ("zone1970.tab", "zone.tab"))), b"")
    lines: Iterable[str] = content.decode(errors="replace").splitlines()
    return {line.split("\t")[2] for line in lines if not line.startswith("#") and line.count("\t") >= 2}
