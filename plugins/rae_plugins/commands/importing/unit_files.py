"""Unit files of systemd: sections with keys that may come several times, and values with units of time and size."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from attrs import define, field

from rae_plugins.commands.importing.source_files import read_source_text

_SECONDS: Mapping[str, float] = {
    "us": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3, "s": 1, "sec": 1, "second": 1, "seconds": 1, "": 1,
    "m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hr": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400, "w": 604800, "week": 604800, "weeks": 604800,
    "M": 2629800, "month": 2629800, "months": 2629800, "y": 31557600, "year": 31557600, "years": 31557600,
}  # fmt: skip
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


@define
class SystemdUnit:
    """A unit: the values of each key of each section, in their order. `take` removes what it returns."""

    name: str
    sections: dict[str, dict[str, list[str]]] = field(factory=dict)

    def add(self, text: str) -> None:
        """Add the text of a file or a drop-in. An empty value forgets those before it, as in systemd."""
        section = ""
        for line in re.sub(r"\\\n", " ", text).splitlines():
            plain = line.strip()
            if not plain or plain[0] in "#;":
                continue
            if plain.startswith("["):
                section = plain.strip("[]")
                continue
            key, _, value = plain.partition("=")
            values = self.sections.setdefault(section, {}).setdefault(key.strip(), [])
            if value.strip():
                values.append(value.strip())
            else:
                values.clear()

    def take(self, section: str, key: str) -> list[str]:
        """Return the values of a key, and forget it."""
        return self.sections.get(section, {}).pop(key, [])

    def take_last(self, section: str, key: str) -> str | None:
        """Return the value of a key that counts once, and forget it."""
        values = self.take(section, key)
        return values[-1] if values else None

    def take_flag(self, section: str, key: str) -> bool:
        """Return a boolean, and forget it."""
        return (self.take_last(section, key) or "no").lower() in ("1", "yes", "true", "on", "y", "t")

    def rest(self, section: str) -> list[str]:
        """Return what nothing has taken, as it is written."""
        return [f"{key}={value}" for key, values in self.sections.get(section, {}).items() for value in values]


def read_unit(path: Path) -> SystemdUnit:
    """Return a unit with the drop-ins in the folder beside it. Errors: OSError."""
    unit = SystemdUnit(path.name)
    unit.add(read_source_text(path, "a unit of systemd"))
    folder = path.with_name(f"{path.name}.d")
    for drop_in in sorted(folder.glob("*.conf")) if folder.is_dir() else ():
        unit.add(drop_in.read_text(errors="replace"))
    return unit


def parse_span(text: str) -> timedelta | None:
    """Return a time span ("1h 30min", "90"), or None for "infinity". Raises ValueError."""
    plain = text.strip()
    if plain.lower() == "infinity":
        return None
    if not plain or not re.fullmatch(rf"(?:{_AMOUNT.pattern})+", plain):
        raise ValueError(f"{text!r} is not a time span of systemd")
    total = 0.0
    for amount, unit in _AMOUNT.findall(plain):
        if unit not in _SECONDS:
            raise ValueError(f"{text!r} has an unknown unit of time")
        total += float(amount) * _SECONDS[unit]
    return timedelta(seconds=total)


def parse_bytes(text: str) -> int | None:
    """Return a size ("512M") in bytes, or None for "infinity" and percentages."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTkmgt]?)", text.strip())
    if match is None:
        return None
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))
