"""Time zones by name, with one clear error for every bad name."""

from contextlib import suppress
from functools import lru_cache
from zoneinfo import ZoneInfo

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.zone_sources.zone_names import LOCAL, load_zone, suggest_zone

__all__ = ["LOCAL", "zone"]


def zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name or a rule of POSIX, or the machine's for "local". Raises ValueError."""
    if name != LOCAL:
        return _named(name)
    from rae_auto.model.primitives.zone_sources.local_zone import find_local_zone  # lazy: start-up

    return find_local_zone().load()


@lru_cache(maxsize=256)
def _named(name: str) -> ZoneInfo:
    shown = quote(name if len(name) <= 60 else name[:60] + "…")
    try:
        found = load_zone(name)
    except ValueError as error:
        raise ValueError(f"time zone {shown} {error}") from None
    if found is None:
        raise ValueError(f"unknown time zone {shown}{suggest_zone(name)}")
    if (ambiguity := _find_ambiguity(name, found)) is not None:
        raise ValueError(f"time zone {shown} {ambiguity}")
    return found


def _find_ambiguity(name: str, found: ZoneInfo) -> str | None:
    """Return why a name is refused although it is a rule. What the machine itself is set to is believed."""
    if not any(map(str.isdigit, name)):
        return None
    from rae_auto.model.primitives.zone_sources.local_zone import find_local_zone  # lazy: start-up
    from rae_auto.model.primitives.zone_sources.posix_rules import describe_ambiguity  # lazy: start-up

    ambiguity = describe_ambiguity(name, found)
    if ambiguity is not None:
        with suppress(ValueError):
            return None if find_local_zone().key == name else ambiguity
    return ambiguity
