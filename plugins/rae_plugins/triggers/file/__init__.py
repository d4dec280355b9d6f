"""Fires when files are created, modified, moved or deleted."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.validators import at_least
from rae_plugins.triggers.file.changes import Happening
from rae_plugins.triggers.file.matcher import at_home, patterns_of
from rae_plugins.triggers.file.watch_plan import Polling, is_watchable

LEFTOVERS = ("*~", ".*.sw?", ".#*", "#*#", "*.tmp", "*.part", "*.crdownload")
"""What editors and downloads leave beside a file while it is being written."""

SHORTEST_POLL = timedelta(milliseconds=100)


class Batch(StrEnum):
    """How many files an occurrence tells of."""

    ALL = "all"
    EACH = "each"


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of texts such as ["~/inbox"]')
    return tuple(value)


def _paths(value: object) -> tuple[str, ...]:
    paths = _texts(value)
    if not paths:
        raise ValueError('paths is empty; name files, folders or globs such as "~/inbox/*.pdf"')
    _each(paths, lambda path: patterns_of(path, recursive=False))
    return paths


def _each(texts: tuple[str, ...], check: Callable[[str], object]) -> None:
    """What is wrong with any of them, all at once."""
    wrong = []
    for text in texts:
        try:
            check(text)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("; ".join(wrong))


def _patterns(value: object) -> tuple[str, ...]:
    patterns = _texts(value)
    if not all(pattern.strip("/") for pattern in patterns):
        raise ValueError('ignore has a pattern without a name; write one such as "*.log" or "build/"')
    _each(patterns, at_home)
    return patterns


def _happenings(value: object) -> tuple[Happening, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"events must be a list with some of {', '.join(Happening)}")
    unknown = [item for item in value if item not in list(Happening)]
    if unknown:
        raise ValueError(f"{unknown[0]!r:.40} is none of {', '.join(Happening)}")
    # In one order, so that the same choice is equal.
    return tuple(happening for happening in Happening if happening in value)


@frozen(kw_only=True)
class FileTrigger(SourceTrigger):
    """Fires when files are created, modified, moved or deleted, also if that happened while nobody watched.

    The event has `paths`, `changes`, `origin` and `count`.
    """

    type: ClassVar[str] = "file"

    paths: tuple[str, ...] = field(converter=_paths, metadata={"help": "files, folders and globs; absolute, or from ~"})
    recursive: bool = field(default=False, metadata={"help": "whether folders below a folder count too"})
    ignore: tuple[str, ...] = field(
        default=LEFTOVERS, converter=_patterns, metadata={"help": "names, or with a slash paths, that don't count"}
    )
    events: tuple[Happening, ...] = field(
        default=(Happening.CREATED, Happening.MODIFIED, Happening.MOVED),
        converter=_happenings,
        metadata={"help": "which changes count: created, modified, deleted, moved"},
    )
    quiet: timedelta = field(
        default=timedelta(milliseconds=500),
        converter=parse_duration,
        metadata={"help": "how long nothing must happen before it fires"},
    )
    max_wait: timedelta = field(
        default=timedelta(seconds=30),
        converter=parse_duration,
        metadata={"help": "after how long it fires though changes go on"},
    )
    stable: timedelta = field(
        default=timedelta(0),
        converter=parse_duration,
        metadata={"help": "how long a file must rest, unless its writer has closed it; 0 asks for neither"},
    )
    batch: Batch = field(
        default=Batch.ALL,
        converter=Batch,
        metadata={"help": "one occurrence for all files of a burst, or one for each file"},
    )
    initial: bool = field(default=False, metadata={"help": "whether files that are there at the first start count"})
    polling: Polling = field(
        default=Polling.AUTO,
        converter=Polling,
        metadata={"help": "look from time to time instead of watching; auto: where watching can't see all"},
    )
    poll: timedelta = field(
        default=timedelta(seconds=10),
        converter=parse_duration,
        validator=at_least(SHORTEST_POLL),
        metadata={"help": "how long from one look to the next"},
    )

    def __attrs_post_init__(self) -> None:
        """Options that contradict each other. Errors: ValueError."""
        if self.max_wait < self.quiet:
            raise ValueError("max_wait is shorter than quiet; make it longer, or quiet shorter")

    @property
    def tells_each(self) -> bool:
        """Whether each file has an occurrence of its own."""
        return self.batch is Batch.EACH

    def warnings(self) -> tuple[str, ...]:
        """Where watching isn't possible, and files are only looked at from time to time."""
        from rae_auto.toolkit.mounts import read_mounts

        mounted = read_mounts() if self.polling is Polling.AUTO else ()
        shared = [path for path in self.paths if not is_watchable(str(at_home(path)), mounted)]
        return tuple(
            f"{path} is on a file system whose changes can't all be seen; it is looked at again and again, see `poll`"
            for path in shared
        )

    async def watch(self, watch: TriggerContext) -> None:
        """Tell of changes until cancelled."""
        # Only where it is used: watchdog takes a while to import.
        from rae_plugins.triggers.file.watcher import Watcher

        await Watcher(self, watch).run()


@hookimpl
def rae_triggers() -> list[type[SourceTrigger]]:
    """The file trigger."""
    return [FileTrigger]
