"""The result of an import: jobs as tables of a configuration, comments, and a remark at all that has no equivalent."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

MAX_ID_CHARACTERS = 64
_NO_NAMES = frozenset(
    {"sh", "bash", "env", "nice", "ionice", "timeout", "sudo", "cd", "test", "exec", "flock", "root", "nohup"}
)
"""Words at the begin of a command that say nothing about it."""


@frozen
class FireTimes:
    """The start times as the source writes them: of which kind, the text, and the time zone (None: the machine's)."""

    kind: str
    text: str
    timezone: str | None = None


@frozen(kw_only=True)
class ImportedJob:
    """A job: its table in a configuration, and the lines or the unit of the source that it comes from.

    `comments` are those of the source; `remarks` say what is different here, or has no equivalent.
    """

    id: str
    table: Mapping[str, Any]
    comments: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    times: tuple[FireTimes, ...] = ()
    lines: tuple[int, ...] = ()
    unit: str = ""


@frozen
class Leftover:
    """A part of the source that became no job: a comment, or (with a `remark`) something without an equivalent."""

    text: tuple[str, ...]
    remark: str = ""


@frozen
class Import:
    """All that was read of one source, in its order. `remarks` are about the source as a whole.

    `notifiers` are tables by their names.
    """

    source: str
    entries: Sequence[ImportedJob | Leftover] = field(factory=list)
    remarks: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(factory=dict)
    notifiers: Mapping[str, Mapping[str, Any]] = field(factory=dict)

    @property
    def jobs(self) -> list[ImportedJob]:
        """The jobs."""
        return [entry for entry in self.entries if isinstance(entry, ImportedJob)]

    @property
    def left_out(self) -> list[Leftover]:
        """The parts that could not become a job."""
        return [entry for entry in self.entries if isinstance(entry, Leftover) and entry.remark]


class JobNames:
    """Names of jobs, each given once."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self._taken = set(taken)

    def choose(self, command: str) -> str:
        """Return a name for a job, from the first word of its command that says something."""
        words = re.findall(r"[^\s;&|()<>\"'`{}]+", command)
        names = (_to_name(word) for word in words if "=" not in word and not word.startswith(("-", "$")))
        base = next((name for name in names if name and name.lower() not in _NO_NAMES), "job")
        return self.take(base)

    def take(self, base: str) -> str:
        """Return the name, with a number if it is taken."""
        base = re.sub(r"[^A-Za-z0-9_-]+", "-", base).strip("-")[: MAX_ID_CHARACTERS - 4] or "job"
        number, name = 1, base
        while name in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name)
        return name


def _to_name(word: str) -> str:
    last = word.rstrip("/").rpartition("/")[2]
    stem = re.sub(r"\.(sh|bash|py|pl|rb|php|js|exe|bat)$", "", last)
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-") if re.search(r"[A-Za-z]", stem) else ""


_SHARED_KEYS = ("cwd", "shell_program", "env", "fail_on", "kill_after", "limits")


def share_keys(found: Import) -> Import:
    """Return an import with what all its jobs have in common in the defaults."""
    jobs = found.jobs
    if len(jobs) < 2:
        return found
    shared = {key: jobs[0].table[key] for key in _SHARED_KEYS if all(job.table.get(key) for job in jobs)}
    shared = {key: value for key, value in shared.items() if all(job.table[key] == value for job in jobs)}
    entries = [
        evolve(entry, table={key: value for key, value in entry.table.items() if key not in shared})
        if isinstance(entry, ImportedJob)
        else entry
        for entry in found.entries
    ]
    return evolve(found, entries=entries, defaults={**found.defaults, **shared})
