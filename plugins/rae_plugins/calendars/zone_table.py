"""The time zones that an iCalendar file names: found by their names, or else by the definitions in the file.

Programs write names in many forms. They are looked up in this order:

1. as names of the IANA database, in whatever case;
2. with a prefix, as `/example.org/20240101/America/Argentina/Buenos_Aires`: the longest end that is such a name;
3. by the VTIMEZONE of the file: the IANA zone that its X-LIC-LOCATION names, or the rules in it;
4. as a zone of Windows, such as `W. Europe Standard Time`.

Of a VTIMEZONE only the properties of RFC 5545 are read, because programs put others of their own into it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from functools import lru_cache
from zoneinfo import available_timezones

from rae_auto.model.primitives.escaping import quote_short, shorten_line
from rae_auto.model.primitives.zones import zone as named_zone
from rae_plugins.calendars.content_lines import MAX_SHOWN_CHARACTERS, ContentLine
from rae_plugins.calendars.windows_zones import WINDOWS_ZONES

_RULE_PROPERTIES = ("BEGIN", "END", "TZID", "DTSTART", "RRULE", "RDATE", "TZOFFSETFROM", "TZOFFSETTO", "TZNAME")
_MAX_NAME_PARTS = 3
"""Parts of the longest names of the IANA database."""


class ZoneTable:
    """The time zones of one file, each loaded when it is first asked for."""

    def __init__(self, definitions: Mapping[str, "list[ContentLine]"], home: tzinfo) -> None:
        """Take the lines of each VTIMEZONE by its TZID; times without a zone are those of `home`."""
        self._definitions = definitions
        self._cache: dict[str, tzinfo] = {}
        self.home = home

    def get(self, name: str, line: ContentLine) -> tzinfo:
        """Return the zone of a name. Errors: CalendarSyntaxError about the line."""
        if name not in self._cache:
            self._cache[name] = self._load(name, line)
        return self._cache[name]

    def _load(self, name: str, line: ContentLine) -> tzinfo:
        if (known := find_iana_name(name)) is not None:
            return named_zone(known)
        definition = self._definitions.get(name)
        windows_zone = _windows_zones().get(name.strip().casefold())
        if definition is not None:
            for place in (one.value for one in definition if one.name == "X-LIC-LOCATION"):
                if (known := find_iana_name(place)) is not None:
                    return named_zone(known)
            try:
                return _read_rules(definition)
            except Exception as error:
                problem = f"invalid VTIMEZONE of time zone {_quote(name)}: {shorten_line(str(error))}"
            if windows_zone is None:
                raise line.error(problem)
        if windows_zone is not None:
            return named_zone(windows_zone)
        raise line.error(
            f"unknown time zone {_quote(name)}; export the calendar with its time zone definitions (VTIMEZONE)"
        )


def find_iana_name(name: str) -> str | None:
    """Return the name in the IANA database that a name stands for, in whatever case and with whatever prefix."""
    name = name.strip()
    if (known := _iana_names().get(name.casefold())) is not None:
        return known
    parts = [part for part in name.split("/") if part]
    # An end of one part counts only where the rest is a prefix for certain, because there are zones such as Cuba.
    min_length = 1 if name.startswith("/") or "://" in name else 2
    for length in range(min(_MAX_NAME_PARTS, len(parts)), min_length - 1, -1):
        if (known := _iana_names().get("/".join(parts[-length:]).casefold())) is not None:
            return known
    return None


def _read_rules(definition: Iterable[ContentLine]) -> tzinfo:
    """Return the zone of a VTIMEZONE. Errors: any, of dateutil, for one that is wrong."""
    from io import StringIO

    from dateutil.tz import tzical  # lazy: start-up

    parsed = tzical(StringIO("\n".join(_list_rule_lines(definition)))).get()
    assert isinstance(parsed, tzinfo)
    return parsed


def _list_rule_lines(definition: Iterable[ContentLine]) -> Iterator[str]:
    for line in definition:
        if line.name in _RULE_PROPERTIES and line.value.strip():
            yield f"{line.name}:{line.value.strip()}"


@lru_cache(maxsize=1)
def _iana_names() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones()}


@lru_cache(maxsize=1)
def _windows_zones() -> Mapping[str, str]:
    return {name.casefold(): zone for name, zone in WINDOWS_ZONES.items()}


def _quote(name: str) -> str:
    return quote_short(name, MAX_SHOWN_CHARACTERS)
