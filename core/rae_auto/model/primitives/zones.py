"""Time zones by name, with one clear error for every bad name."""

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
    return found
