"""The status of a daemon, as `rae-auto status` shows it.

The first line answers "is all well?"; the second says which daemon that is, and with which configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from rae_auto.model.primitives.formatting import format_count, format_elapsed, join_words, quote
from rae_auto.views.runs import short_ids
from rae_auto.views.tables import instant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STATUS_HEADERS = ("state", "job", "since / at", "details", "run")
OPTIONAL_STATUS_HEADERS = ("run",)
"""A column that gives way in a narrow terminal: commands take the job, too."""

NOT_RUNNING = "not running"
"""The state of a daemon in a status that was read from the store."""

STANDBY = "standby"
"""The state of a daemon on a machine whose store is led by another one's; without a `pid` none answers there."""

DEGRADED = "degraded"
"""The state of a daemon that can't write its state, so that it starts nothing; the first problem says why."""

MAX_ROWS = 20
"""The number of running runs, of waiting runs, and so on, that the table of a status shows."""

MAX_NAMED_JOBS = 3
"""The number of jobs that the first line names; it counts the others."""

LONG_WAIT = timedelta(minutes=15)
"""The wait after which a run is among what needs a person."""


class Health:
    """The answer to "is all well?", as one line."""

    def __init__(self, ok: bool, text: str) -> None:
        self.ok, self.text = ok, text


def judge_health(
    status: Mapping[str, Any],
    zone: tzinfo | None,
    now: datetime,
    when: Callable[[str], str] | None = None,
    *,
    doctor_problems: int = 0,
    past: Callable[[str], str] | None = None,
) -> Health:
    """Return whether all is well with the daemon, and what it will do next.

    `when` formats the time of a start, as in "in 4 min"; by default it is as in tables, "at 18:00". `past` formats an
    instant of the past: "18:00". `doctor_problems` are those that doctor found beside the ones of the status, where it
    was asked.
    """
    troubles = list(_troubles(status, now))
    if doctor_problems:
        troubles.append(f"doctor found {format_count(doctor_problems, 'problem')}")
    past = past or (lambda iso: instant(iso, zone))
    facts = ", ".join(_facts(status, when or (lambda iso: f"at {instant(iso, zone)}"), past))
    if status["state"] == STANDBY:
        details = f" ({facts})" if status["jobs"] else ""
        is_ready = bool(status["pid"]) and not troubles
        return Health(is_ready, f"{'; '.join([_describe_standby(status, past), *troubles])}{details}")
    if status["state"] in ("starting", "stopping"):
        state = str(status["state"]).capitalize()
        is_ready = bool(status["pid"]) and not troubles
        return Health(is_ready, f"{'; '.join([state, *troubles])}: {facts}")
    if troubles:
        return Health(False, f"{'; '.join(troubles)} ({facts})")
    if not status["enabled"]:
        return Health(True, f"Jobs start by hand only, because {status['disabled_by']}: {facts}")
    return Health(True, f"All is well: {facts}")


def _describe_role(status: Mapping[str, Any]) -> str:
    """Return that the daemon leads those that use the same store, where there may be others."""
    return f", leads as node {quote(status['node'])}," if status.get("node") else ""


def _describe_standby(status: Mapping[str, Any], past: Callable[[str], str]) -> str:
    leader = status["leader"]
    if leader is None:
        return "Stands by until the store can be reached"
    begin = "Stands by" if status["pid"] else "No daemon answers here"
    text = f"{begin}: process {leader['pid']} on {leader['host']}"
    silence, since = status.get("silent_seconds"), past(leader["since"])
    if silence is None:
        return f"{text} has been leading since {since}"
    # It may have been killed since then, which nothing says before its claim has run out.
    return f"{text} had been leading since {since} when it was last heard from, {format_elapsed(silence)} ago"


def find_long_waits(status: Mapping[str, Any], now: datetime) -> list[Mapping[str, Any]]:
    """Return the waiting runs of a status that need a person."""
    return [run for run in status["waiting"] if measure_wait(run, now) >= LONG_WAIT]


def measure_wait(run: Mapping[str, Any], now: datetime) -> timedelta:
    """Return for how long a waiting run of a status could have started; a delay that was chosen for it isn't part."""
    since, delayed_until = waiting_since(run), run.get("not_before")
    return now - (since if delayed_until is None else max(since, datetime.fromisoformat(delayed_until)))


def waiting_since(run: Mapping[str, Any]) -> datetime:
    """Return since when a waiting run of a status waits; daemons of earlier versions say when it was queued only."""
    return datetime.fromisoformat(run.get("waiting_since", run["queued_at"]))


def _troubles(status: Mapping[str, Any], now: datetime) -> Iterable[str]:
    if status["state"] == NOT_RUNNING:
        yield "No daemon is running"
    if status["failed"]:
        count = format_count(len(status["failed"]), "job")
        yield f"{count} failed last time: {_name_some([job['job'] for job in status['failed']])}"
    if status["overdue"]:
        overdue = [job["job"] for job in status["overdue"]]
        yield f"{format_count(len(overdue), 'job')} overdue: {_name_some(overdue)}"
    overrunning = [run["job"] for run in status["running"] if run.get("overran_at")]
    if overrunning and status["state"] != NOT_RUNNING:
        yield f"{format_count(len(overrunning), 'run')} too long: {_name_some(overrunning)}"
    if waiting := [run["job"] for run in find_long_waits(status, now)]:
        yield f"{format_count(len(waiting), 'run')} waiting for too long: {_name_some(waiting)}"
    if status["problems"]:
        yield format_count(len(status["problems"]), "problem")


def _name_some(jobs: Sequence[str]) -> str:
    named = ", ".join(quote(job) for job in jobs[:MAX_NAMED_JOBS])
    more = len(jobs) - MAX_NAMED_JOBS
    return f"{named} and {more} more" if more > 0 else named


def _facts(status: Mapping[str, Any], when: Callable[[str], str], past: Callable[[str], str]) -> Iterable[str]:
    yield format_count(status["jobs"], "job")
    for name in ("running", "waiting", "paused", "disabled"):
        if name == "running" and status["state"] == NOT_RUNNING:
            yield from describe_former_runs(status, past)
        elif status[name]:
            yield f"{len(status[name])} {name}"
    if status["next"]:
        first = next((start for start in status["next"] if not start.get("blocked")), status["next"][0])
        job, at = quote(first["job"]), when(first["at"])
        # The instant may be there already: "due now".
        yield f"{job} is due {at.removeprefix('due ')}" if status["state"] == NOT_RUNNING else f"next {job} {at}"


def describe_former_runs(status: Mapping[str, Any], past: Callable[[str], str]) -> Iterable[str]:
    """Yield how many runs were active when there was a daemon; without one it isn't known whether they still are."""
    runs = len(status["running"])
    if runs and status["state"] == NOT_RUNNING:
        since = status.get("down_since")
        at = f", at {past(since)}" if since else ""
        yield f"{runs} {'was' if runs == 1 else 'were'} running when the daemon was last seen{at}"


def names_in(status: Mapping[str, Any], name_of: Callable[[str], str]) -> dict[str, str]:
    """Return the names for people of the jobs in the lists of a status, those that differ from the id."""
    lists = ("failed", "overdue", "running", "waiting", "next")
    jobs = dict.fromkeys(str(entry["job"]) for name in lists for entry in status[name])
    return {job: name for job in [*jobs, *status["paused"]] if (name := name_of(job)) != job}


def status_record(status: Mapping[str, Any], zone: tzinfo | None, now: datetime) -> dict[str, Any]:
    """Return the JSON of a status: whether all is well, the line that says so, and the facts behind it."""
    health = judge_health(status, zone, now)
    return {"ok": health.ok, "summary": health.text, **status}


def status_lines(status: Mapping[str, Any], zone: tzinfo | None, now: datetime) -> list[str]:
    """Return the lines above the table: the health, and the daemon and configuration that it is about."""
    file = f" from {status['config']}" if status["config"] else ""
    return [
        judge_health(status, zone, now).text,
        f"rae-auto {status['version']} (pid {status['pid']}) {status['state']}{_describe_role(status)}{file} "
        f"since {instant(status['started_at'], zone)}; state in {status['state_directory']}{_describe_plugins(status)}",
        *_describe_nodes(status.get("nodes", ())),
    ]


def _describe_plugins(status: Mapping[str, Any]) -> str:
    """Return which store and which loggers are in use, as a clause; "" for a daemon that doesn't say it."""
    named = [("store", [status["store"]] if status.get("store") else []), ("log", status.get("loggers", ()))]
    return "".join(f"; {noun}: {', '.join(words)}" for noun, words in named if words)


def _describe_nodes(nodes: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield a line on the daemons that use the same store, if there are any besides the leader."""
    others = [_describe_node(node) for node in nodes if node["role"] != "leads"]
    if others:
        yield f"{format_count(len(others), 'other node')}: {'; '.join(others)}"


def _describe_node(node: Mapping[str, Any]) -> str:
    name, place = quote(node["node"]), f"process {node['pid']} on {node['host']}"
    if node["role"] == "stands by":
        return f"{name} stands by, seen {node['silent_seconds']} s ago ({place})"
    if node["role"] == "silent":
        return f"nothing heard of {name} for {node['silent_seconds']} s ({place})"
    return f"{name} was declared dead ({place})"


def describe_reload(answer: Mapping[str, Sequence[str]]) -> str:
    """Return what a reload changed, in one line: "reloaded: 2 added (a, b); store changes at the next start"."""
    changes = [f"{len(answer[name])} {name} ({_list_some(answer[name])})" for name in _CHANGES if answer[name]]
    later = answer["at_next_start"]
    verb = "changes" if len(later) == 1 else "change"
    at_next_start = f"; {join_words(later)} {verb} at the next start" if later else ""
    return f"reloaded: {', '.join(changes) or 'no job changed'}{_describe_loss(answer['removed'])}{at_next_start}"


def _describe_loss(removed: Sequence[str]) -> str:
    """Return what jobs lose that are taken out of the file, and how to rest a job instead; "" if there are none."""
    if not removed:
        return ""
    owner = "its" if len(removed) == 1 else "their"
    return f"; {owner} history stays, {owner} pause, skips and last result are gone (enabled = false keeps them)"


def describe_restarts(answer: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each plugin that a reload could not take as it is now, because it is loaded already."""
    return [f"problem: {line}" for line in answer.get("needs_restart", ())]


_CHANGES = ("added", "changed", "removed")
_MAX_LISTED_JOBS = 10


def _list_some(jobs: Sequence[str]) -> str:
    return ", ".join([*jobs[:_MAX_LISTED_JOBS], *(["…"] if len(jobs) > _MAX_LISTED_JOBS else [])])


def problem_lines(status: Mapping[str, Any]) -> list[str]:
    """Return the problems; one of the configuration has a line for each error."""
    return [
        f"{'  ' if number else 'problem: '}{line}"
        for problem in status["problems"]
        for number, line in enumerate(problem.splitlines())
    ]


_BOUNDED = {
    "running": "running run",
    "waiting": "waiting run",
    "failed": "failed job",
    "overdue": "overdue job",
    "paused": "paused job",
    "skips": "skipped start",
}
"""The parts of a status of which a table shows the first, each with what an entry of it is."""


def omission_lines(status: Mapping[str, Any]) -> list[str]:
    """Return a line for each part of a status of which the table doesn't show all."""
    return [
        f"showing {MAX_ROWS} of {format_count(len(status[name]), noun)}; 'rae-auto status --json' has all"
        for name, noun in _BOUNDED.items()
        if len(status[name]) > MAX_ROWS
    ]


def status_rows(status: Mapping[str, Any], zone: tzinfo | None) -> list[tuple[str, ...]]:
    """Return a row for each open run with its state, for each job that failed last or is paused, and what is next.

    Of each there are at most `MAX_ROWS`; `omission_lines` says of how many.
    """
    status = {**status, **{name: status[name][:MAX_ROWS] for name in _BOUNDED}}
    runs = [run["run_id"] for name in ("running", "waiting", "failed") for run in status[name] if run["run_id"]]
    ids = short_ids(runs)
    return [
        *(
            (
                run["state"],
                run["job"],
                instant(run["started_at"], zone),
                f"attempt {run['attempt']}{', longer than expected' if run.get('overran_at') else ''}",
                ids[run["run_id"]],
            )
            for run in status["running"]
        ),
        *(
            (
                run["state"],
                run["job"],
                instant(waiting_since(run).isoformat(), zone),
                run["waiting_for"],
                ids[run["run_id"]],
            )
            for run in status["waiting"]
        ),
        *(
            (job["state"], job["job"], instant(job["at"], zone), _failures(job["failures"]), ids.get(job["run_id"], ""))
            for job in status["failed"]
        ),
        *(
            (
                "overdue",
                job["job"],
                instant(job["expected_by"], zone),
                f"no success since {instant(job['since'], zone)}",
                "",
            )
            for job in status["overdue"]
        ),
        *(
            ("paused", job, _pause_begin(pause, zone), describe_pause(job, pause, zone), "")
            for job in status["paused"]
            for pause in [status["pauses"].get(job)]
        ),
        *(("skip", skip["job"], instant(skip["at"], zone), "skipped by hand", "") for skip in status["skips"]),
        *(("next", job["job"], instant(job["at"], zone), _note_on(job), "") for job in status["next"]),
    ]


def _note_on(start: Mapping[str, Any]) -> str:
    return f"will be skipped: {start['blocked']}" if start.get("blocked") else ""


def _pause_begin(pause: Mapping[str, Any] | None, zone: tzinfo | None) -> str:
    """Return since when a job is paused; "" for a pause of an earlier version, which didn't note that."""
    since = pause.get("since") if pause else None
    return instant(since, zone) if since else ""


def describe_pause(job: str, pause: Mapping[str, Any] | None, zone: tzinfo | None) -> str:
    """Return until when a job is paused, why, and how it is resumed."""
    until, note = (pause["until"], pause["note"]) if pause else (None, "")
    text = f"until {instant(until, zone)}" if until else f"'rae-auto resume {job}' resumes it"
    return f"{text} (note: {note})" if note else text


def _failures(count: int) -> str:
    return "last time" if count == 1 else f"{format_count(count, 'time')} in a row"
