"""The machine's time zone, and where it is set.

The order is that of the C library, so that jobs and `date` have the same clock: TZ, which may be a name, a path or a
rule of POSIX; else the file /etc/localtime, whose bytes are the truth. The name of the zone is in the path to which it
links, by however many links; a copy has no name, and gets that of the zone with the same bytes. Without that file
the C library takes UTC. Then /etc/TZ (OpenWrt) or /etc/timezone (Debian) is believed, because a person wrote it.

What is set and not understood is an error with the place and the remedy, and never UTC.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.zone_sources.zone_files import (
    find_zone_name,
    make_zone,
    read_named_file,
    read_zone_file,
)
from rae_auto.model.primitives.zone_sources.zone_names import LOCAL, load_zone, suggest_zone

MAX_LINKS = 40
"""Links that are followed, as in path_resolution(7)."""

_HINT = 'set timezone = "Europe/Berlin" in the configuration'
_PREFIXES = ("posix/", "right/")
"""Folders of the same zones, with and without leap seconds, which the clock of a system doesn't count."""

_NAMES_OF_UTC = {"utc", "gmt", "uct", "zulu"}


class LocalZone(NamedTuple):
    """The machine's zone and where it is set. `key` is an IANA name or a rule; "local" if the file has neither."""

    key: str
    source: str
    file: Path | None = None
    """The file whose bytes are the zone; None if the key says it all."""

    def load(self) -> ZoneInfo:
        """Return the zone. Errors: ValueError."""
        if self.key == LOCAL and self.file is not None:
            return make_zone(read_zone_file(self.file), LOCAL)
        zone = load_zone(self.key)
        if zone is None:
            raise ValueError(f"{self.source} names {quote(self.key)}, which is unknown; install tzdata")
        return zone


def find_local_zone(root: Path = Path("/"), environment: Mapping[str, str] | None = None) -> LocalZone:
    """Return the machine's zone; `root` is put before system paths. Errors: ValueError with place and remedy."""
    variable = (os.environ if environment is None else environment).get("TZ")
    if variable is not None:
        return _read_setting(variable, f"TZ={variable}", "set TZ to an IANA name")
    if sys.platform == "win32":
        return _read_registry()
    localtime = root / "etc/localtime"
    if os.path.lexists(localtime):
        link = "link it to a zone file, as in 'ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime'"
        return _read_file(localtime, str(localtime), _read_line(root / "etc/timezone"), link)
    for path in (root / "etc/TZ", root / "etc/timezone"):
        if text := _read_line(path):
            return _read_setting(text, str(path), f"correct {path}, or link /etc/localtime to a zone file")
    return LocalZone("UTC", f"there is no {localtime}")


def _read_setting(text: str, source: str, hint: str) -> LocalZone:
    """Return the zone that TZ or a file names, as tzset(3) reads it."""
    name = text.removeprefix(":")
    if not name or name.lower() in _NAMES_OF_UTC:
        return LocalZone("UTC", source)
    if name.startswith("/"):
        return _read_file(Path(name), source, "", hint)
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    try:
        is_known = load_zone(name) is not None
    except ValueError as error:
        raise ValueError(f"the machine's time zone is unknown, because {source} {error}; or {_HINT}") from None
    if not is_known:
        near = suggest_zone(name).removeprefix("; ")
        raise ValueError(f"the machine's time zone is unknown: {source} ({near}); {hint}, or {_HINT}")
    return LocalZone(name, source)


def _read_file(path: Path, source: str, expected: str, hint: str) -> LocalZone:
    """Return the zone of a file: by the path that it has or links to, or else by its bytes."""
    for target in _follow_links(path):
        name = target.partition("zoneinfo/")[2]
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        if name and load_zone(name) is not None:
            return LocalZone(name, source if target == str(path) else f"{source} → {target}")
    try:
        content = read_zone_file(path)
    except ValueError as error:
        raise ValueError(f"the machine's time zone is unknown, because {error}; {hint}, or {_HINT}") from None
    name = find_zone_name(content, expected) or LOCAL
    return LocalZone(name, f"the bytes of {path}" if source == str(path) else f"{source}, by its bytes", path)


def _follow_links(path: Path) -> Iterator[str]:
    """Yield a path, and those to which it links, one after the other."""
    for _ in range(MAX_LINKS):
        yield str(path)
        try:
            path = Path(os.path.normpath(path.parent / path.readlink()))
        except OSError:
            return


def _read_line(path: Path) -> str:
    """Return the first line of a file that isn't a comment; "" if there is none."""
    try:
        lines = [line.strip() for line in path.read_text("ascii").splitlines()]
    except (OSError, ValueError):
        return ""
    return next((line for line in lines if line and not line.startswith("#")), "")


def find_other_name(local: LocalZone, root: Path = Path("/")) -> str | None:
    """Return the name in /etc/timezone, which some programs read, if it stands for another zone than the machine's."""
    named = _read_line(root / "etc/timezone")
    if not named or local.key in (named, LOCAL) or read_named_file(named) == read_named_file(local.key):
        return None
    return named


def _read_registry() -> LocalZone:
    """Return the zone of Windows."""
    try:
        from tzlocal import get_localzone_name  # type: ignore[import-not-found, unused-ignore]  # lazy: Windows

        return LocalZone(str(get_localzone_name()), "the registry of Windows")
    except Exception as error:
        why = f"the registry can't be read ({error})"
        raise ValueError(f"the machine's time zone is unknown, because {why}; {_HINT}") from None
