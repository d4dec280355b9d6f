"""Everything public that will be removed: since when it is deprecated, in which version it goes, what takes its place.

A name stays for at least two minor versions after the one that deprecates it. A test fails when the version has come
in which one of these is to be removed, and it is still here.
"""

import warnings

from attrs import frozen


class DeprecatedName(DeprecationWarning):
    """The use of something that will be removed."""


@frozen
class Deprecation:
    """A public name that will be removed."""

    name: str
    """Its full name, `rae_auto.api.Old` or `rae_auto.api.Class.method`."""
    since: str
    removed_in: str
    instead: str
    """The way to do without it, as the end of a sentence: "use `rae_auto.api.New`"."""

    def text(self) -> str:
        """Return the warning."""
        return f"{self.name} is deprecated since {self.since}, and will be removed in {self.removed_in}; {self.instead}"


DEPRECATIONS: tuple[Deprecation, ...] = ()
"""All of them; nothing is deprecated at present."""


def warn_of(name: str, stacklevel: int = 2) -> None:
    """Warn the caller's caller that it uses a deprecated name. Raises KeyError for a name that isn't listed."""
    found = {one.name: one for one in DEPRECATIONS}[name]
    warnings.warn(found.text(), DeprecatedName, stacklevel=stacklevel + 1)


def find_overdue(version: str, deprecations: tuple[Deprecation, ...] = DEPRECATIONS) -> list[str]:
    """Return the names that had to be removed by this version."""
    return [one.name for one in deprecations if _parse(one.removed_in) <= _parse(version)]


def _parse(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
