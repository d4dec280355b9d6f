"""Time zones by name: one clear error for every bad one."""

import os
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from rae_auto.model.names import did_you_mean

LOCAL = "local"


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of this name, or the machine's for "local". ValueError, one line, for anything else.

    zoneinfo itself answers bad names with KeyError, OSError, IsADirectoryError or ValueError.
    """
    if name == LOCAL:
        name = local_zone_name()
    shown = repr(name if len(name) <= 60 else name[:60] + "…")
    if len(name) <= 64 and name.isascii() and name.isprintable() and not name.startswith((".", "/")):
        try:
            return ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            pass
    raise ValueError(
        f"unknown time zone {shown}{did_you_mean(name[:64], available_timezones())}; write e.g. Europe/Berlin"
    )


def local_zone_name() -> str:
    """The machine's zone: from TZ, /etc/timezone or the link /etc/localtime; "UTC" where none of them tells."""
    for candidate in (os.environ.get("TZ", "").lstrip(":"), _from_file(), _from_link()):
        if candidate and candidate != LOCAL:
            try:
                return zone(candidate).key
            except ValueError:
                continue
    return "UTC"


def _from_file() -> str:
    try:
        return Path("/etc/timezone").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _from_link() -> str:
    try:
        target = str(Path("/etc/localtime").readlink())
    except OSError:
        return ""
    return target.partition("zoneinfo/")[2]
