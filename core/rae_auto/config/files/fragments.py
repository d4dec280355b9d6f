"""The files of a configuration: the main file, and those that its key `include` names.

An included file holds jobs, and what they need: `[jobs]`, `[defaults]` for its own jobs, `[notifiers]` and
`[resources]`. Relative paths in it start from its own folder. All other keys belong to the main file, so that one place
says how the daemon works.
"""

import contextlib
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, fields_dict, frozen

from rae_auto.config.tables import FileTable
from rae_auto.config.toml.positions import line_of, lines_of
from rae_auto.config.toml.problem_lines import format_problems
from rae_auto.config.toml.reading import format_place, parse, read_text
from rae_auto.errors import ConfigError
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.json_values import plain
from rae_auto.model.primitives.problems import Key, Problem, ProblemCollector
from rae_auto.toolkit.files import FileIdentity, find_obstacle, identify_file, is_folder, is_there

INCLUDED_TABLES = ("defaults", "jobs", "notifiers", "resources")
"""The tables that an included file may have."""

_WILDCARDS = frozenset("*?[")


@frozen
class Fragment:
    """A file of a configuration as it was read, and what was found in it. `identity` is from before it was read."""

    path: Path
    text: str
    document: dict[str, Any]
    identity: FileIdentity
    findings: ProblemCollector = field(factory=ProblemCollector)

    @property
    def directory(self) -> Path:
        """The folder from which relative paths start."""
        return self.path.absolute().parent

    def error_lines(self) -> tuple[str, ...]:
        """Return the problems as lines, in the order of the file; for each key the first, from which others follow."""
        first: dict[Key, Problem] = {}
        for problem in self.findings.problems:
            first.setdefault(problem.key, problem)
        return format_problems(self.path, self.text, list(first.values()))

    def warning_lines(self) -> tuple[str, ...]:
        """Return the warnings as lines, in the order of the file."""
        return format_problems(self.path, self.text, self.findings.warnings)

    def place_of(self, *key: str) -> str:
        """Return where a key is defined: `FILE:LINE`."""
        return format_place(self.path, line_of(key, lines_of(self.text)))


def read_fragment(path: Path, text: str | None = None) -> Fragment:
    """Read a file, whose text may be known already. Raises ConfigError if it isn't TOML or can't be read."""
    identity = identify_file(path)
    text = read_text(path) if text is None else text
    findings = ProblemCollector()
    return Fragment(path, text, plain(parse(path, text), findings), identity, findings)


def find_included(main: Path, pattern: str) -> list[Path]:
    """Return the files that a pattern names, sorted; a plain name is returned even if there is no such file."""
    joined = os.path.join(main.parent, os.path.expanduser(pattern))  # noqa: PTH111, PTH118 - a pattern
    if _WILDCARDS.isdisjoint(pattern):
        return [Path(joined)]
    base = glob.escape(str(main.parent))
    found = glob.glob(os.path.join(base, os.path.expanduser(pattern)), recursive=True)  # noqa: PTH111, PTH118, PTH207
    return [Path(name) for name in sorted(found) if not is_folder(name)]


def identify_files(main: Path, patterns: Iterable[str]) -> dict[Path, FileIdentity]:
    """Return the identities of all files of a configuration as they are now."""
    paths = [main, *(path for pattern in patterns for path in find_included(main, pattern))]
    each_once = {os.path.realpath(path): path for path in reversed(paths)}
    return {path: identify_file(path) for path in each_once.values()}


def read_included(main: Fragment, patterns: Sequence[str]) -> tuple[list[Fragment], tuple[str, ...]]:
    """Read the files that the main one includes, each once; return also a line for each that can't be read."""
    found: dict[str, Fragment] = {os.path.realpath(main.path): main}
    broken: list[str] = []
    for index, pattern in enumerate(patterns):
        paths = find_included(main.path, pattern)
        if not paths:
            main.findings.warnings.append(Problem(("include", index), "matches no file; correct it, or add files"))
        for path in paths:
            if (name := os.path.realpath(path)) in found:
                continue
            if not is_there(path) and find_obstacle(path) is None:
                what = f"file {quote(str(path))} does not exist; create it, or correct the name"
                main.findings.problems.append(Problem(("include", index), what))
                continue
            try:
                fragment = read_fragment(path)
            except ConfigError as error:
                broken += error.problems
                continue
            found[name] = fragment
            _refuse_other_keys(fragment, main.path)
    return list(found.values())[1:], tuple(broken)


def _refuse_other_keys(fragment: Fragment, main: Path) -> None:
    for name in [name for name in fragment.document if name not in INCLUDED_TABLES]:
        del fragment.document[name]
        what = f"unknown key; an included file has {', '.join(f'[{table}]' for table in INCLUDED_TABLES)}"
        if name in fields_dict(FileTable):
            what = f"can't be set in an included file; move it to {main}"
        fragment.findings.problems.append(Problem((name,), what))


def find_job_file(main: Path, job: str) -> Path:
    """Return the file that defines a job, which may have mistakes; the main file if no other does."""
    with contextlib.suppress(ConfigError, OSError, ValueError):
        include = parse(main, read_text(main)).get("include")
        patterns = [one for one in include if isinstance(one, str)] if isinstance(include, list) else []
        for path in identify_files(main, patterns):
            if path.is_file() and ("jobs", job) in lines_of(read_text(path)):
                return path
    return main


def claim_names(fragments: Sequence[Fragment], table: str) -> dict[str, Fragment]:
    """Return the file that defines each name in a table; a name that is defined twice is a problem of the later file.

    It is removed from the later one.
    """
    owners: dict[str, Fragment] = {}
    for fragment in fragments:
        entries = fragment.document.get(table)
        if not isinstance(entries, dict):
            continue  # reported where it is converted
        for name in list(entries):
            owner = owners.setdefault(name, fragment)
            if owner is not fragment:
                what = f"is defined in {owner.place_of(table, name)} too; rename or remove one of them"
                fragment.findings.problems.append(Problem((table, name), what))
                del entries[name]
    return owners


def add_to_owners(
    owners: Mapping[str, Fragment],
    main: Fragment,
    problems: Iterable[Problem],
    *,
    is_warning: bool,
) -> None:
    """Add problems with keys `jobs.NAME…` to the files that define the jobs, others to the main file."""
    for problem in problems:
        name = problem.key[1] if len(problem.key) > 1 and problem.key[0] == "jobs" else None
        owner = owners.get(str(name), main)
        (owner.findings.warnings if is_warning else owner.findings.problems).append(problem)


def find_watched_folders(main: Path, patterns: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """Yield the folders in which files may appear that are included, each with the pattern of their names."""
    for pattern in patterns:
        path = Path(os.path.join(main.absolute().parent, os.path.expanduser(pattern)))  # noqa: PTH111, PTH118
        if _WILDCARDS.isdisjoint(str(Path(pattern).parent)) and path.parent.is_dir():
            yield path.parent, path.name
