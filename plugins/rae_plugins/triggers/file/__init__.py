"""The file trigger: fires when files are created, modified, moved or deleted."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.problems import Invalid, Problem
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.validators import at_least
from rae_plugins.triggers.file.changes import ChangeKind
from rae_plugins.triggers.file.debounce import Complete
from rae_plugins.triggers.file.matcher import describe_missing_folder, expand_home, parse_path
from rae_plugins.triggers.file.watch_plan import Polling, is_watchable

WATCHES_LIMIT, INSTANCES_LIMIT = "fs/inotify/max_user_watches", "fs/inotify/max_user_instances"
"""The limits of inotify(7), of one user; every directory that is watched is one of the watches."""

MIN_POLL_INTERVAL = timedelta(milliseconds=100)


class Batch(StrEnum):
    """The grouping of files into occurrences."""

    ALL = "all"
    EACH = "each"


def _parse_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError('must be a list of strings, as in ["~/inbox"]')
    return tuple(value)


def _parse_paths(value: object) -> tuple[str, ...]:
    paths = _parse_texts(value)
    if not paths:
        raise ValueError('paths is empty; name files, folders or globs, as in "~/inbox/*.pdf"')
    _check_each("paths", paths, lambda path: parse_path(path, recursive=False))
    return paths


def _check_each(option: str, texts: tuple[str, ...], check: Callable[[str], object]) -> None:
    """Raise one Invalid with the problems of all texts of an option."""
    problems = []
    for index, text in enumerate(texts):
        try:
            check(text)
        except ValueError as error:
            problems.append(Problem((option, index), str(error)))
    if problems:
        raise Invalid(problems)


def _parse_ignore(value: object) -> tuple[str, ...]:
    patterns = _parse_texts(value)
    if not all(pattern.strip("/") for pattern in patterns):
        raise ValueError('ignore has an empty pattern; write one such as "*.log" or "build/"')
    _check_each("ignore", patterns, expand_home)
    return patterns


def _parse_events(value: object) -> tuple[ChangeKind, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"events must be a list with one or more of {', '.join(ChangeKind)}")
    unknown = [item for item in value if item not in list(ChangeKind)]
    if unknown:
        raise ValueError(f"unknown event {quote_short(str(unknown[0]))}; write one of {', '.join(ChangeKind)}")
    # In one order, so that equal choices compare equal.
    return tuple(kind for kind in ChangeKind if kind in value)


@frozen(kw_only=True)
class FileTrigger(SourceTrigger):
    """Fires when files are created, modified, moved or deleted, also while the daemon was down.

    The event has `paths`, `changes`, `origin` and `count`.
    """

    type: ClassVar[str] = "file"
    example: ClassVar[Mapping[str, Any]] = {"paths": ["~/inbox/*.pdf"], "stable": "2s"}

    paths: tuple[str, ...] = field(
        converter=_parse_paths,
        metadata={"help": "files, folders and globs to watch; ~ is the home directory", "is_path": True},
    )
    recursive: bool = field(default=False, metadata={"help": "whether to watch the folders below a folder too"})
    ignore: tuple[str, ...] = field(
        default=(),
        converter=_parse_ignore,
        metadata={"help": "names to ignore; a pattern with a slash is matched against the whole path"},
    )
    ignore_temporary: bool = field(
        default=True,
        metadata={"help": "whether temporary files, such as those of editors and downloads, are ignored"},
    )
    events: tuple[ChangeKind, ...] = field(
        default=(ChangeKind.CREATED, ChangeKind.MODIFIED, ChangeKind.MOVED),
        converter=_parse_events,
        metadata={"help": "changes that count: created, modified, deleted, moved"},
    )
    quiet: timedelta = field(
        default=timedelta(milliseconds=500),
        converter=parse_duration,
        metadata={"help": "how long it must be quiet before the trigger fires"},
    )
    max_wait: timedelta = field(
        default=timedelta(seconds=30),
        converter=parse_duration,
        metadata={"help": "the longest wait before it fires while changes go on"},
    )
    stable: timedelta = field(
        default=timedelta(0),
        converter=parse_duration,
        metadata={"help": "how long a file must stay unchanged until it counts; 0: fire at once"},
    )
    complete: Complete = field(
        default=Complete.UNCHANGED,
        converter=Complete,
        metadata={"help": "when a file counts: unchanged for stable; closed: at once when its writer closes it"},
    )
    batch: Batch = field(
        default=Batch.ALL,
        converter=Batch,
        metadata={"help": "all: one occurrence for all files of a burst; each: one for each file"},
    )
    initial: bool = field(
        default=False, metadata={"help": "whether files that exist at the first start count as created"}
    )
    polling: Polling = field(
        default=Polling.AUTO,
        converter=Polling,
        metadata={"help": "poll instead of watching: always, never, or auto, where watching misses changes"},
    )
    poll: timedelta = field(
        default=timedelta(seconds=10),
        converter=parse_duration,
        validator=at_least(MIN_POLL_INTERVAL),
        metadata={"help": "polling interval"},
    )

    def __attrs_post_init__(self) -> None:
        """Check the options against each other. Errors: ValueError."""
        if self.max_wait < self.quiet:
            raise ValueError("max_wait is shorter than quiet; raise max_wait or lower quiet")
        if self.complete is Complete.CLOSED and not self.stable:
            raise ValueError('complete = "closed" needs stable, for writers that never close; set stable = "1m"')

    @property
    def has_event_per_file(self) -> bool:
        """Return whether each file gets an occurrence of its own."""
        return self.batch is Batch.EACH

    def summary(self) -> str:
        return summarize(self.type, self.paths)

    def can_burst(self) -> bool:
        """Return whether a burst of files brings an occurrence for each."""
        return self.has_event_per_file

    def warnings(self) -> tuple[str, ...]:
        """Return a warning for each path whose folder is missing, and for each that has to be polled."""
        from rae_auto.toolkit.mounts import read_mounts

        missing = [text for path in self.paths if (text := describe_missing_folder(path)) is not None]
        mounts = read_mounts() if self.polling is Polling.AUTO else ()
        polled = [path for path in self.paths if not is_watchable(str(expand_home(path)), mounts)]
        interval = format_duration(self.poll)
        return (
            *missing,
            *(
                f"{path} is on a file system that does not report all changes; it is polled every {interval}"
                for path in polled
            ),
        )

    def kernel_needs(self) -> Mapping[str, int]:
        """Return the numbers of watches and of inotify instances; other platforms don't count them."""
        # lazy: start-up
        from rae_plugins.triggers.file.matcher import Matcher
        from rae_plugins.triggers.file.watch_plan import count_watches

        matcher = Matcher.from_paths(
            self.paths,
            recursive=self.recursive,
            ignore=self.ignore,
            ignore_temporary=self.ignore_temporary,
            excluded_directory=None,
        )
        watches = count_watches(matcher, self.polling)
        return {WATCHES_LIMIT: watches, INSTANCES_LIMIT: 1} if watches else {}

    async def watch(self, context: TriggerContext) -> None:
        """Watch until cancelled."""
        # lazy: start-up
        from rae_plugins.triggers.file.watcher import FileWatcher

        await FileWatcher(self, context).run()


@hookimpl
def rae_triggers() -> list[type[SourceTrigger]]:
    """Return the file trigger."""
    return [FileTrigger]
