"""Matching of files against patterns, directory by directory from the root of the file system.

Every path in the options is a list of segments, `*.csv` and `**` among them. A path without wildcards stands for two
patterns: the path itself, should it be a file, and the files in it, should it be a folder. How far the patterns have
been matched on the way to a directory is a `MatchState`, a set of positions, as in a nondeterministic finite automaton
(Thompson 1968) whose input symbols are the names of directories. So one walk serves all patterns, visits no directory
that cannot hold a match, and a root that does not exist yet is only a segment not matched yet.
"""

import os
import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

from attrs import define, field, frozen

from rae_auto.model.primitives.escaping import quote_short
from rae_auto.toolkit.files import find_obstacle, is_folder, is_there
from rae_plugins.triggers.file.temporary_names import is_temporary_by_form, list_patterns

MatchState = frozenset[tuple[int, int]]
"""Positions, each the number of a pattern and the index of its next segment."""

NO_MATCH: MatchState = frozenset()
ANY_DEPTH = "**"
_VARIABLE = re.compile(r"(?:^|/)(\$\{?[A-Za-z_]\w*\}?)(?=/|$)")
_WILDCARD = re.compile(r"[*?\[]")
_MAX_CACHED_STATES = 20_000


@frozen
class PathPattern:
    """Segments below an anchor: `/` on POSIX, a drive on Windows."""

    anchor: str
    segments: tuple[str, ...]


class LiteralName(str):
    """A segment that is a name as it stands, though it has characters of a glob in it."""

    __slots__ = ()


def has_wildcard(segment: str) -> bool:
    """Return whether a segment stands for more than one name."""
    return not isinstance(segment, LiteralName) and _WILDCARD.search(segment) is not None


def split_path(whole: Path) -> tuple[str, ...]:
    """Return the segments of an absolute path, its anchor first.

    The name of a folder or file that is there, such as `[2024] bills`, is no glob.
    """
    anchor, *segments = whole.parts
    parts, folder = [anchor], Path(anchor)
    for segment in segments:
        folder /= segment
        may_be_name = has_wildcard(segment) and segment not in ("*", ANY_DEPTH)
        parts.append(LiteralName(segment) if may_be_name and os.path.lexists(folder) else segment)
    return tuple(parts)


def expand_home(path: str) -> Path:
    """Return the path with `~` or `~user` expanded. Errors: ValueError."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{quote_short(path)} begins with an unknown user; write the whole path") from None


def describe_missing_folder(path: str) -> str | None:
    """Return a line if there is neither the path nor the folder that would hold it, or None.

    Of a glob it is the last folder before the first wildcard.
    """
    if variable := _VARIABLE.search(path):
        return f"{variable[1]} in {quote_short(path, 200)} is not expanded; begin the path with ~, or write all of it"
    whole = expand_home(path)
    fixed = Path(*takewhile(lambda part: not has_wildcard(part), split_path(whole)))
    folder = fixed if fixed != whole else whole.parent
    if is_there(whole) or is_folder(folder):
        return None
    if (obstacle := find_obstacle(folder)) is not None:
        return f"folder {quote_short(str(folder), 200)} can't be read: {obstacle}; change its permissions, or the path"
    return f"folder {quote_short(str(folder), 200)} does not exist yet; create it, or correct the path"


def parse_path(path: str, *, recursive: bool) -> list[PathPattern]:
    """Return the patterns that a path of the options stands for: a glob, or a file and the files in a folder.

    Errors: ValueError if it is not absolute after `~` is expanded.
    """
    whole = expand_home(path)
    if not path:
        raise ValueError('is empty; write the path of a file or folder, as in "~/inbox"')
    if not whole.is_absolute() or ".." in whole.parts or "\0" in path:
        raise ValueError(f"{quote_short(path)} is not an absolute path; begin it with / or ~, and leave out ..")
    anchor, *segments = split_path(whole)
    if segments[-1:] == [ANY_DEPTH]:
        segments.append("*")
    if any(map(has_wildcard, segments)):
        return [PathPattern(anchor, tuple(segments))]
    below = (ANY_DEPTH, "*") if recursive else ("*",)
    return [PathPattern(anchor, tuple(segments)), PathPattern(anchor, (*segments, *below))]


@define
class Matcher:
    """The files that a trigger watches. Threads may share it: it changes nothing but its caches."""

    patterns: tuple[PathPattern, ...]
    ignore: tuple[str, ...] = ()
    """Names that do not count, or patterns of whole paths if they contain a slash."""

    ignore_temporary: bool = False
    """True if temporary names, such as those of editors and downloads, do not count."""

    excluded_directory: str | None = None
    """A directory that never matches, whatever the patterns say."""

    _states: dict[str, MatchState] = field(init=False, factory=dict)
    _last_segments: dict[MatchState, "_NameMatcher"] = field(init=False, factory=dict)
    _ignored_names: "_NameMatcher" = field(init=False)
    _ignored_paths: list[re.Pattern[str]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns of ignored names and paths."""
        bare = [pattern.rstrip("/") for pattern in self.ignore]
        names = [pattern for pattern in bare if "/" not in pattern]
        self._ignored_names = _NameMatcher.from_segments(names + (list_patterns() if self.ignore_temporary else []))
        self._ignored_paths = [_compile_path(pattern) for pattern in bare if "/" in pattern]

    @classmethod
    def from_paths(
        cls,
        paths: Iterable[str],
        *,
        recursive: bool,
        ignore: Iterable[str] = (),
        ignore_temporary: bool = False,
        excluded_directory: str | None = None,
    ) -> "Matcher":
        """Return the matcher for the trigger's options. Errors: ValueError."""
        patterns = [pattern for path in paths for pattern in parse_path(path, recursive=recursive)]
        return cls(tuple(dict.fromkeys(patterns)), tuple(ignore), ignore_temporary, excluded_directory)

    def anchors(self) -> list[str]:
        """Return the roots at which the patterns begin."""
        return list(dict.fromkeys(pattern.anchor for pattern in self.patterns))

    def start_state(self, anchor: str) -> MatchState:
        """Return the state at an anchor."""
        return self._close((number, 0) for number, pattern in enumerate(self.patterns) if pattern.anchor == anchor)

    def _close(self, positions: Iterable[tuple[int, int]]) -> MatchState:
        """Add the positions after `**`, which may match no directory at all."""
        closed = set()
        for number, position in positions:
            closed.add((number, position))
            while self.patterns[number].segments[position : position + 1] == (ANY_DEPTH,):
                position += 1
                closed.add((number, position))
        return frozenset(closed)

    def enter(self, state: MatchState, directory: str, name: str) -> MatchState:
        """Return the state in a sub-directory; `NO_MATCH` if nothing in it can match."""
        if not state:
            return NO_MATCH
        if self.excluded_directory is not None and os.path.join(directory, name) == self.excluded_directory:
            return NO_MATCH
        is_ignored = self._is_ignored(directory, name)
        positions = []
        for number, position in state:
            segments = self.patterns[number].segments
            segment = segments[position] if position < len(segments) else None
            if segment == ANY_DEPTH and not is_ignored:
                positions.append((number, position))
            elif segment is not None and position + 1 < len(segments) and _matches(segment, name, is_ignored):
                positions.append((number, position + 1))
        return self._close(positions)

    def matches(self, state: MatchState, directory: str, name: str) -> bool:
        """Return whether a file in a directory of this state matches."""
        last = self._last_segments.get(state)
        if last is None:
            last = self._last_segments[state] = _NameMatcher.from_segments(self._final_segments(state))
        if name in last.literal_names:
            return True
        return last.matches(name) and not self._is_ignored(directory, name)

    def matches_path(self, path: str) -> bool:
        """Return whether a file matches."""
        directory, name = os.path.split(path)
        return self.matches(self.state_of(directory), directory, name)

    def is_relevant(self, path: str) -> bool:
        """Return whether a path matches as a file, or is that of a directory which may hold matches."""
        directory, name = os.path.split(path)
        state = self.state_of(directory)
        return self.matches(state, directory, name) or bool(self.enter(state, directory, name))

    def possible_names(self, state: MatchState) -> frozenset[str] | None:
        """Return the names that can matter in a directory of this state, or None if it has to be listed."""
        segments = [self.patterns[number].segments[position] for number, position in state]
        return None if any(map(has_wildcard, segments)) else frozenset(segments)

    def literal_names(self, state: MatchState) -> frozenset[str]:
        """Return the names that patterns spell out in a directory of this state."""
        segments = (self.patterns[number].segments[position] for number, position in state)
        return frozenset(segment for segment in segments if not has_wildcard(segment))

    def literal_file_names(self, state: MatchState) -> frozenset[str]:
        """Return those of the literal names that may be files."""
        return frozenset(segment for segment in self._final_segments(state) if not has_wildcard(segment))

    def needs_tree(self, state: MatchState) -> bool:
        """Return whether sub-directories whose names are not known beforehand can hold matches."""
        positions = ((self.patterns[number].segments, position) for number, position in state)
        return any(
            has_wildcard(segments[position]) and position + 1 < len(segments) for segments, position in positions
        )

    def state_of(self, directory: str) -> MatchState:
        """Return the state in a directory, whether it exists or not."""
        state = self._states.get(directory)
        if state is None:
            parent, name = os.path.split(directory)
            state = self.enter(self.state_of(parent), parent, name) if name else self.start_state(directory)
            if len(self._states) > _MAX_CACHED_STATES:
                self._states.clear()
            self._states[directory] = state
        return state

    def _final_segments(self, state: MatchState) -> list[str]:
        positions = ((self.patterns[number].segments, position) for number, position in state)
        return [segments[position] for segments, position in positions if position + 1 == len(segments)]

    def _is_ignored(self, directory: str, name: str) -> bool:
        if self._ignored_names.matches(name) or (self.ignore_temporary and is_temporary_by_form(name)):
            return True
        if not self._ignored_paths:
            return False
        path = Path(directory, name).as_posix()
        return any(pattern.match(path) for pattern in self._ignored_paths)


@frozen
class _NameMatcher:
    """Several segments at once: the literal names, and one regular expression for all others."""

    literal_names: frozenset[str]
    wild: re.Pattern[str] | None

    @classmethod
    def from_segments(cls, segments: Iterable[str]) -> "_NameMatcher":
        """Return the matcher for any of these segments."""
        segments = list(segments)
        wild = [translate(os.path.normcase(segment)) for segment in segments if has_wildcard(segment)]
        literal_names = frozenset(segment for segment in segments if not has_wildcard(segment))
        return cls(literal_names, re.compile("|".join(wild)) if wild else None)

    def matches(self, name: str) -> bool:
        """Return whether a name matches one of the segments."""
        if name in self.literal_names:
            return True
        return self.wild is not None and self.wild.match(os.path.normcase(name)) is not None


def _matches(segment: str, name: str, is_ignored: bool) -> bool:
    # A name that a pattern spells out is never ignored.
    return segment == name or (not is_ignored and has_wildcard(segment) and _compile_name(segment).matches(name))


@lru_cache(maxsize=256)
def _compile_name(segment: str) -> _NameMatcher:
    return _NameMatcher.from_segments([segment])


def _compile_path(pattern: str) -> re.Pattern[str]:
    # A pattern that is not absolute may begin in any directory.
    rooted = pattern if pattern.startswith(("/", "~")) else f"/{ANY_DEPTH}/{pattern}"
    parts = [
        "(?:[^/]+/)*" if segment == ANY_DEPTH else f"{_translate_segment(segment)}/"
        for segment in expand_home(rooted).as_posix().split("/")
    ]
    return re.compile("".join(parts).removesuffix("/") + r"(?:/.*)?\Z", re.DOTALL)


def _translate_segment(segment: str) -> str:
    text = translate(segment).removeprefix("(?s:").removesuffix(")\\Z")
    return text.replace(".*", "[^/]*")
