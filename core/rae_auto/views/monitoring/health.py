"""The health of a daemon: checks on its facts, each with a level, and one line.

The levels are the exit codes that monitoring tools expect of a plugin, see https://nagios-plugins.org/doc/guidelines.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from attrs import frozen

from rae_auto.model.primitives.formatting import format_bytes, format_count, format_elapsed, quote

LATE_TURN_SECONDS, VERY_LATE_TURN_SECONDS = 1.0, 5.0
"""Time limit of one turn of the event loop, which delays everything else."""

SLOW_COMMIT_SECONDS, VERY_SLOW_COMMIT_SECONDS = 1.0, 10.0
"""Time that a commit of the store may take, in which nothing starts."""

LOW_DISK_BYTES, VERY_LOW_DISK_BYTES = 100 << 20, 10 << 20
"""Free space: no run can start on a full disk."""

OLD_COPY = timedelta(days=2)
"""Age of the newest verified copy of a store that makes one each day."""

CLOCK_TOLERANCE = timedelta(minutes=1)
"""Time that the clock may be behind the newest record."""

MAX_NAMED = 3


class HealthLevel(IntEnum):
    """The level of a trouble; the exit code of `rae-auto health`."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@frozen
class HealthCheck:
    """The result of one check."""

    name: str
    level: HealthLevel
    text: str
    state: str = ""
    """"unknown" or "waiting" for what is neither well nor a trouble; the level of the whole stays without it."""

    @property
    def shown_level(self) -> str:
        """Return the word for it: the level, or the state where there is one."""
        return self.state or self.level.name.lower()

    def record(self) -> dict[str, Any]:
        """Return the JSON of it."""
        return {"name": self.name, "level": self.shown_level, "text": self.text}


def check_facts(facts: Mapping[str, Any]) -> list[HealthCheck]:
    """Return the checks of the facts that a daemon answers with, the most important one first."""
    if facts.get("leader"):
        text = f"stands by; process {facts['leader']['pid']} on {facts['leader']['host']} leads"
        return [HealthCheck("daemon", HealthLevel.OK, text)]
    if facts["starting"]:
        return [HealthCheck("daemon", HealthLevel.WARNING, "it is still starting; see its log for the cause")]
    return [
        _check_daemon(facts),
        _check_store(facts["store"]),
        _check_names("overdue", HealthLevel.CRITICAL, facts["overdue"], "job", "overdue"),
        _check_disk(facts["disk"]),
        _check_loop(facts["loop"]),
        _check_copy(facts),
        _check_names("running too long", HealthLevel.WARNING, facts["overrunning"], "run", "too long"),
        _check_names("sources", HealthLevel.WARNING, list(facts["failed_sources"]), "source", "failed"),
        _check_quarantine(facts["quarantined"]),
        _check_notices(facts["notices"]),
        _check_clock(facts),
        _check_problems(facts["problems"]),
    ]


def worst_level(checks: Iterable[HealthCheck]) -> HealthLevel:
    """Return the level of the whole."""
    return max((check.level for check in checks), default=HealthLevel.OK)


def health_line(checks: Sequence[HealthCheck]) -> str:
    """Return the summary line: the level, then what is wrong, or that all is well."""
    level = worst_level(checks)
    shown = [check for check in checks if check.level is not HealthLevel.OK] or list(_leading(checks))
    return f"rae-auto {level.name}: {'; '.join(check.text for check in shown)}"


def health_record(checks: Sequence[HealthCheck], facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the JSON of the health: the level, the line, all checks, and the facts if a daemon answered."""
    return {
        "level": worst_level(checks).name.lower(),
        "summary": health_line(checks),
        "checks": [check.record() for check in checks],
        "facts": facts,
    }


def _leading(checks: Sequence[HealthCheck]) -> Iterator[HealthCheck]:
    return (check for check in checks if check.name in ("daemon", "loop", "store", "disk"))


def _check_daemon(facts: Mapping[str, Any]) -> HealthCheck:
    jobs = format_count(facts["jobs"], "job")
    if facts["stopping"]:
        return HealthCheck("daemon", HealthLevel.WARNING, f"it is stopping ({jobs})")
    return HealthCheck("daemon", HealthLevel.OK, jobs if facts["enabled"] else f"{jobs}, which start by hand only")


def _check_store(store: Mapping[str, Any]) -> HealthCheck:
    if store["problem"]:
        return HealthCheck("store", HealthLevel.CRITICAL, f"the store can't be written: {store['problem']}")
    seconds = store["longest_seconds"]
    level = _level_above(seconds, SLOW_COMMIT_SECONDS, VERY_SLOW_COMMIT_SECONDS)
    checking = "; its history is being checked after an unclean stop" if store.get("is_checking") else ""
    return HealthCheck("store", level, f"longest commit {_seconds(seconds)}{checking}")


def _check_loop(loop: Mapping[str, Any]) -> HealthCheck:
    seconds = loop["longest_seconds"]
    level = _level_above(seconds, LATE_TURN_SECONDS, VERY_LATE_TURN_SECONDS)
    return HealthCheck("loop", level, f"event loop at most {_seconds(seconds)} late")


def _check_disk(disk: Mapping[str, Any]) -> HealthCheck:
    free = disk["free"]
    level = _level_above(-free, -LOW_DISK_BYTES, -VERY_LOW_DISK_BYTES)
    return HealthCheck("disk", level, f"{format_bytes(free)} free")


def _check_copy(facts: Mapping[str, Any]) -> HealthCheck:
    newest, now = facts["store"]["newest_copy_at"], datetime.fromisoformat(facts["now"])
    if newest is None:
        return HealthCheck("copy", HealthLevel.OK, "the store has no copy of itself")
    age = now - datetime.fromisoformat(newest)
    # A copy is made when something is written, so a daemon that has just started may not have made one yet.
    is_old = age > OLD_COPY and now - datetime.fromisoformat(facts["started_at"]) > OLD_COPY
    text = f"the newest verified copy of the store is {format_elapsed(max(age, timedelta(0)))} old"
    return HealthCheck("copy", HealthLevel.WARNING if is_old else HealthLevel.OK, text)


def _check_names(name: str, level: HealthLevel, found: Sequence[str], noun: str, state: str) -> HealthCheck:
    if not found:
        return HealthCheck(name, HealthLevel.OK, f"no {noun} {state}")
    return HealthCheck(name, level, f"{format_count(len(found), noun)} {state}: {_name_some(found)}")


def _check_quarantine(quarantined: Sequence[Mapping[str, Any]]) -> HealthCheck:
    plugins = [f"{one['kind']} {one['name']}" for one in quarantined]
    return _check_names("plugins", HealthLevel.WARNING, plugins, "plugin", "quarantined")


def _check_notices(notices: Mapping[str, int]) -> HealthCheck:
    if notices["given_up"]:
        text = f"{format_count(notices['given_up'], 'notice')} could not be delivered"
        return HealthCheck("notices", HealthLevel.WARNING, text)
    waiting = notices["waiting"]
    return HealthCheck(
        "notices", HealthLevel.OK, f"{format_count(waiting, 'notice')} waiting", "waiting" if waiting else ""
    )


def _check_clock(facts: Mapping[str, Any]) -> HealthCheck:
    clock, now = facts["clock"], datetime.fromisoformat(facts["now"])
    newest = clock["newest_record_at"]
    if newest is not None and (behind := datetime.fromisoformat(newest) - now) > CLOCK_TOLERANCE:
        text = f"the clock is {format_elapsed(behind)} behind the newest record, so schedules run late"
        return HealthCheck("clock", HealthLevel.WARNING, text)
    # No warning: in a container the host keeps the clock right, which the kernel then says nothing of.
    unknown = "nothing on this machine says that the clock is synchronized; 'rae-auto doctor' knows more"
    texts = {True: "the clock is synchronized", False: unknown, None: "the clock goes on"}
    is_synchronized = clock["synchronized"]
    return HealthCheck("clock", HealthLevel.OK, texts[is_synchronized], "unknown" if is_synchronized is False else "")


def _check_problems(problems: Sequence[str]) -> HealthCheck:
    if not problems:
        return HealthCheck("problems", HealthLevel.OK, "no problem")
    text = f"{format_count(len(problems), 'problem')}, see 'rae-auto status': {' '.join(problems[0].split())}"
    return HealthCheck("problems", HealthLevel.WARNING, text)


def _level_above(value: float, warning: float, critical: float) -> HealthLevel:
    if value >= critical:
        return HealthLevel.CRITICAL
    return HealthLevel.WARNING if value >= warning else HealthLevel.OK


def _name_some(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMED
    named = ", ".join(quote(name) for name in names[:MAX_NAMED])
    return f"{named} and {more} more" if more > 0 else named


def _seconds(seconds: float) -> str:
    return format_elapsed(timedelta(seconds=seconds))
