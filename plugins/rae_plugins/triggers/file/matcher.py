"""Which files are meant: patterns from the root of the file system on, followed directory by directory.

Every path that people write is a list of segments, `*.csv` and `**` among them; a folder stands for two: itself, should
it be a file, and the files in it. How far the patterns have been matched on the way to a directory is its `State`, a
set of positions, as in a machine that recognises regular expressions. So one walk serves all patterns, visits no
directory in which nothing can be meant, and a root that isn't there yet is only a segment not matched yet.
"""

import os
import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

from attrs import define, field, frozen

State = frozenset[tuple[int, int]]
"""Positions, each a pattern's number and that of its segment which comes next."""

NOWHERE: State = frozenset()
ANY_DEPTH = "**"
_WILD = re.compile(r"[*?\[]")
_MOST_STATES = 20_000


@frozen
class Pattern:
    """Segments below an anchor: `/` on POSIX, a drive on Windows."""

    anchor: str
    segments: tuple[str, ...]


def is_wild(segment: str) -> bool:
    """Whether a segment stands for more than one name."""
    return _WILD.search(segment) is not None


def at_home(path: str) -> Path:
    """The path, with `~` for what it stands for. Errors: ValueError."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path!r:.80} begins with a user who is not known here; write the whole path") from None


def patterns_of(path: str, *, recursive: bool) -> list[Pattern]:
    """What a path stands for: a glob for the files that match it, any other for a file, or for those in a folder.

    Errors: ValueError for one that isn't absolute after `~`.
    """
    whole = at_home(path)
    if not path or not whole.is_absolute() or ".." in whole.parts or "\0" in path:
        raise ValueError(f"{path!r:.80} is no absolute path; begin it with / or ~, without ..")
    anchor, *segments = whole.parts
    if segments[-1:] == [ANY_DEPTH]:
        segments.append("*")
    if any(map(is_wild, segments)):
        return [Pattern(anchor, tuple(segments))]
    below = (ANY_DEPTH, "*") if recursive else ("*",)
    return [Pattern(anchor, tuple(segments)), Pattern(anchor, (*segments, *below))]


@define
class Selection:
    """The files that are meant. Threads may share it: it only remembers what it has computed."""

    patterns: tuple[Pattern, ...]
    ignore: tuple[str, ...] = ()
    """Names that don't count, or patterns of whole paths where they contain a slash."""

    never: str | None = None
    """A directory that is out of bounds, whatever the patterns say."""

    _states: dict[str, State] = field(init=False, factory=dict)
    _last_segments: dict[State, "_Names"] = field(init=False, factory=dict)
    _ignored_names: "_Names" = field(init=False)
    _ignored_paths: list[re.Pattern[str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """What is asked of each file is computed beforehand."""
        bare = [pattern.rstrip("/") for pattern in self.ignore]
        self._ignored_names = _Names.of(pattern for pattern in bare if "/" not in pattern)
        self._ignored_paths = [_regex_of_paths(pattern) for pattern in bare if "/" in pattern]

    @classmethod
    def of(
        cls, paths: Iterable[str], *, recursive: bool, ignore: Iterable[str] = (), never: str | None = None
    ) -> "Selection":
        """What the options of the trigger mean. Errors: ValueError."""
        patterns = [pattern for path in paths for pattern in patterns_of(path, recursive=recursive)]
        return cls(tuple(dict.fromkeys(patterns)), tuple(ignore), never)

    def anchors(self) -> list[str]:
        """Where the patterns begin."""
        return list(dict.fromkeys(pattern.anchor for pattern in self.patterns))

    def start(self, anchor: str) -> State:
        """The state at an anchor."""
        return self._closed((n, 0) for n, pattern in enumerate(self.patterns) if pattern.anchor == anchor)

    def _closed(self, positions: Iterable[tuple[int, int]]) -> State:
        found = set()
        for number, position in positions:
            found.add((number, position))
            # It may stand for no directory at all.
            while self.patterns[number].segments[position : position + 1] == (ANY_DEPTH,):
                position += 1
                found.add((number, position))
        return frozenset(found)

    def enter(self, state: State, directory: str, name: str) -> State:
        """The state in a sub-directory; `NOWHERE` if nothing in it can be meant."""
        if not state:
            return NOWHERE
        if self.never is not None and os.path.join(directory, name) == self.never:
            return NOWHERE
        ignored = self._is_ignored(directory, name)
        positions = []
        for number, position in state:
            segments = self.patterns[number].segments
            segment = segments[position] if position < len(segments) else None
            if segment == ANY_DEPTH and not ignored:
                positions.append((number, position))
            elif segment is not None and position + 1 < len(segments) and _matches(segment, name, ignored):
                positions.append((number, position + 1))
        return self._closed(positions)

    def matches(self, state: State, directory: str, name: str) -> bool:
        """Whether a file in a directory of this state is meant."""
        last = self._last_segments.get(state)
        if last is None:
            last = self._last_segments[state] = _Names.of(self._last(state))
        if name in last.literal:
            return True
        return last.matches(name) and not self._is_ignored(directory, name)

    def names(self, state: State) -> frozenset[str] | None:
        """The names that can be meant in a directory of this state; None where they have to be listed."""
        segments = [self.patterns[number].segments[position] for number, position in state]
        return None if any(map(is_wild, segments)) else frozenset(segments)

    def literal_names(self, state: State) -> frozenset[str]:
        """The names that are called by their whole name in a directory of this state."""
        segments = (self.patterns[number].segments[position] for number, position in state)
        return frozenset(segment for segment in segments if not is_wild(segment))

    def files_named(self, state: State) -> frozenset[str]:
        """Those of the literal names that may be files."""
        return frozenset(segment for segment in self._last(state) if not is_wild(segment))

    def is_deep(self, state: State) -> bool:
        """Whether sub-directories whose names aren't known beforehand can hold files that are meant."""
        positions = ((self.patterns[number].segments, position) for number, position in state)
        return any(is_wild(segments[position]) and position + 1 < len(segments) for segments, position in positions)

    def state_of(self, directory: str) -> State:
        """The state in a directory, whether it exists or not."""
        known = self._states.get(directory)
        if known is None:
            parent, name = os.path.split(directory)
            known = self.enter(self.state_of(parent), parent, name) if name else self.start(directory)
            if len(self._states) > _MOST_STATES:
                self._states.clear()
            self._states[directory] = known
        return known

    def holds(self, path: str) -> bool:
        """Whether a file is meant."""
        directory, name = os.path.split(path)
        return self.matches(self.state_of(directory), directory, name)

    def concerns(self, path: str) -> bool:
        """Whether a path is that of a file which is meant, or of a directory on the way to one."""
        directory, name = os.path.split(path)
        state = self.state_of(directory)
        return self.matches(state, directory, name) or bool(self.enter(state, directory, name))

    def _last(self, state: State) -> list[str]:
        segments = ((self.patterns[number].segments, position) for number, position in state)
        return [found[position] for found, position in segments if position + 1 == len(found)]

    def _is_ignored(self, directory: str, name: str) -> bool:
        if self._ignored_names.matches(name):
            return True
        if not self._ignored_paths:
            return False
        path = Path(directory, name).as_posix()
        return any(pattern.match(path) for pattern in self._ignored_paths)


@frozen
class _Names:
    """Some segments at once: literal names, and one regular expression for all others."""

    literal: frozenset[str]
    wild: re.Pattern[str] | None

    @classmethod
    def of(cls, segments: Iterable[str]) -> "_Names":
        """Those of these segments."""
        found = list(segments)
        wild = [translate(os.path.normcase(segment)) for segment in found if is_wild(segment)]
        literal = frozenset(segment for segment in found if not is_wild(segment))
        return cls(literal, re.compile("|".join(wild)) if wild else None)

    def matches(self, name: str) -> bool:
        """Whether it is one of them."""
        return name in self.literal or (self.wild is not None and self.wild.match(os.path.normcase(name)) is not None)


def _matches(segment: str, name: str, ignored: bool) -> bool:
    # What is called by its whole name isn't ignored.
    return segment == name or (not ignored and is_wild(segment) and _one(segment).matches(name))


@lru_cache(maxsize=256)
def _one(segment: str) -> _Names:
    return _Names.of([segment])


def _regex_of_paths(pattern: str) -> re.Pattern[str]:
    # One that isn't absolute may begin in any directory.
    rooted = pattern if pattern.startswith(("/", "~")) else f"/{ANY_DEPTH}/{pattern}"
    parts = [
        "(?:[^/]+/)*" if segment == ANY_DEPTH else f"{_within_segment(segment)}/"
        for segment in at_home(rooted).as_posix().split("/")
    ]
    return re.compile("".join(parts).removesuffix("/") + r"(?:/.*)?\Z", re.DOTALL)


def _within_segment(segment: str) -> str:
    text = translate(segment).removeprefix("(?s:").removesuffix(")\\Z")
    return text.replace(".*", "[^/]*")
