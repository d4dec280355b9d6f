"""Time zones by their names in the IANA database, or by a rule of POSIX."""

from zoneinfo import ZoneInfo, available_timezones

LOCAL = "local"
"""The name that stands for the machine's zone."""

MAX_NAME_CHARACTERS = 64


def load_zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name or of a rule of POSIX; None if it is neither. Errors: ValueError for a rule."""
    if len(name) <= MAX_NAME_CHARACTERS and name.isascii() and name.isprintable() and not name.startswith((".", "/")):
        # zoneinfo itself answers bad names with KeyError, OSError, IsADirectoryError or ValueError.
        try:
            return ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            pass
    from rae_auto.model.primitives.zone_sources.posix_rules import is_posix_rule, make_posix_zone  # lazy: start-up

    return make_posix_zone(name) if is_posix_rule(name) else None


def suggest_zone(name: str) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or an example."""
    from rae_auto.model.primitives.names import did_you_mean  # lazy: start-up

    near = did_you_mean(name[:MAX_NAME_CHARACTERS], available_timezones())
    return near or '; use an IANA name, as in "Europe/Berlin"'
