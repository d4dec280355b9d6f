"""Messages between the viewer and the worker of a trial."""

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from rae_auto.model.primitives.instants import as_utc


class Key(StrEnum):
    """A request of the viewer to a running trial."""

    MOVE = "move"
    NEXT = "next"
    HOLD = "hold"
    RESET = "reset"
    AGAIN = "again"
    EVENT = "event"


@frozen(kw_only=True)
class TrialRequest:
    """A plugin to try: a file, a folder or a name, with options as they are written on the command line."""

    target: str
    options: tuple[str, ...] = field(default=(), repr=False)
    zone: str = "UTC"
    at: datetime | None = field(default=None)
    """The instant at which the clock starts; by default now."""
    clock: datetime | None = field(default=None)
    """The instant at which it continues instead, after an earlier trial."""
    is_running: bool = True
    """False if the clock stands still until it is moved."""
    is_once: bool = False
    """True for a single frame: the clock runs for a while, and the trial ends."""


@frozen
class TrialSection:
    """A part of what is shown of a plugin; one without a title is the heading of all that follow."""

    title: str
    lines: tuple[str, ...]


@frozen(kw_only=True)
class TrialFrame:
    """All that a trial shows at one moment."""

    clock: datetime = field(converter=as_utc)
    is_running: bool = True
    sections: tuple[TrialSection, ...] = ()
    files: tuple[str, ...] = ()
    """The source files that the plugin consists of, so that saves of them are noticed."""
    has_errors: bool = False
    is_complete: bool = False
    """True if a trial that is asked for once has nothing more to show."""
    imported: tuple[str, ...] = ()
    """The modules of rae-auto that had to be imported for it; none, if the worker was warm."""
