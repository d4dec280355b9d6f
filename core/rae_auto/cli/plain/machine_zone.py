"""The machine's time zone, recognized without `zoneinfo`, whose import takes an eighth of a short command."""

import os

LOCALTIME = "/etc/localtime"

NAMES_OF_UTC = frozenset({"UTC", "Etc/UTC"})
"""Names of the zone that Python knows without `zoneinfo`."""


def is_machine_zone(name: str, localtime: str = LOCALTIME) -> bool:
    """Return whether the clock of the C library is certainly that of the zone with this IANA name.

    That is so where no TZ is set and the file /etc/localtime is a link to the zone of this name. False also where it
    would take longer to find out, as for links to links.
    """
    if "TZ" in os.environ or not os.path.exists(localtime):  # noqa: PTH110 - start-up
        return False
    try:
        target = os.readlink(localtime)  # noqa: PTH115 - start-up
    except OSError:
        return False
    found = target.partition("zoneinfo/")[2]
    return found == name or (found in NAMES_OF_UTC and name in NAMES_OF_UTC)
