"""The overview: is all well, what needs you, what runs, what waits and for what, and what comes next."""

from asyncio import gather
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import field, frozen

from rae_auto.model.figures.durations import UsualDuration
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run
from rae_auto.views.screens.parts.absence import Absence
from rae_auto.views.screens.parts.base import (
    Action,
    Extent,
    ScreenBase,
    UpcomingStart,
    describe_end,
    local_times,
)
from rae_auto.views.screens.parts.doctor_report import DoctorReport
from rae_auto.views.screens.parts.durations import find_usual_durations
from rae_auto.views.screens.parts.record_source import RecordSource
from rae_auto.views.screens.parts.strip import Strip, load_strip
from rae_auto.views.status import (
    DEGRADED,
    NOT_RUNNING,
    STANDBY,
    find_long_waits,
    judge_health,
    measure_wait,
    waiting_since,
)
from rae_auto.views.times import due_time

MAX_ATTENTIONS = 50
"""Number of things that need a person that are listed; the others are counted."""

MAX_ROWS = 200
"""Number of running and of waiting runs that are listed; the others are counted."""

NEEDS_DAEMON = "if a daemon runs by then"
"""The remark on starts to come while none does."""


@frozen(kw_only=True)
class Attention:
    """One thing that needs a person."""

    kind: str
    """"problem", "quarantined", "doctor", "lost", "failed", "timed_out", "overdue", "too_long" or "waiting"."""
    job: str | None
    run_id: str | None = None
    since: datetime | None = None
    """Since when, or when it happened; None only where nothing is on record of that."""
    is_seen: bool = False
    """True where `since` is when it was seen: first by the daemon, or by doctor; it may have been there before."""
    why: str
    """One sentence: what is wrong and why."""
    action: Action


@frozen(kw_only=True)
class RunningRow:
    """A run that is being executed."""

    run_id: str
    job: str
    attempt: int
    started_at: datetime
    elapsed: timedelta
    """Until now, or until the daemon was last there if it isn't known whether it still runs."""
    is_known: bool
    """True if it is known to run now: a daemon says so, or its process is there."""
    usual: UsualDuration | None
    """The durations of earlier runs; None if no run of the job has succeeded."""
    is_too_long: bool
    """True if it runs for longer than `expect.max_runtime`."""
    pid: int | None
    """Its process on this machine; None if its executor names none."""
    seen_at: datetime | None
    """When its process was looked for and there; None if it wasn't, or couldn't be looked for."""
    proof: str
    """The proof that it runs: "process 4711 is there", or that its executor says so."""


@frozen(kw_only=True)
class WaitingRow:
    """A run that waits to start."""

    run_id: str
    job: str
    state: str
    """"queued" or "retrying"."""
    queued_at: datetime
    waiting_since: datetime
    """The end of its last attempt; before the first one the same as `queued_at`."""
    waiting_for: str


@frozen(kw_only=True)
class JobCounts:
    """Numbers of jobs and open runs."""

    jobs: int
    running: int
    waiting: int
    paused: int
    disabled: int
    failed: int
    overdue: int


@frozen(kw_only=True)
class DaemonSummary:
    """Which daemon answers."""

    pid: int
    version: str
    state: str
    """"starting", "running", "degraded", "stopping", "standby", or "not running"."""
    started_at: datetime | None
    """None if no daemon runs."""
    config: str | None
    state_directory: str
    enabled: bool
    disabled_by: str | None


@frozen(kw_only=True)
class Overview(ScreenBase):
    """The answer to "is all well?", and what stands behind it."""

    now: datetime
    zone: str
    ok: bool
    verdict: str
    """One sentence: "All is well: 41 jobs, next "backup" in 12 min"."""
    verdict_start_at: datetime | None
    """The start whose distance is in the verdict; None if it has none."""
    daemon: DaemonSummary
    counts: JobCounts
    attention: tuple[Attention, ...]
    """Matters that need a person, the worst first."""
    attention_extent: Extent
    running: tuple[RunningRow, ...]
    running_extent: Extent
    waiting: tuple[WaitingRow, ...]
    waiting_extent: Extent
    upcoming: tuple[UpcomingStart, ...]
    """The next start of each of the ten jobs that start first."""
    strip: Strip
    absence: Absence | None = None
    """Events since the person looked last; None if that time is unknown."""
    doctor_at: datetime | None = None
    """When doctor looked for problems, which are among `attention`; None if it wasn't asked, or hasn't answered yet."""
    names: Mapping[str, str] = field(factory=dict)
    """The names for people of jobs on this screen, of those that have one beside the id."""

    def verdict_at(self, now: datetime) -> str:
        """Return the verdict with the distance of the start in it as it is at another instant."""
        if self.verdict_start_at is None:
            return self.verdict
        start = self.verdict_start_at.isoformat()
        before, distance, after = self.verdict.rpartition(due_time(start, self.now))
        return f"{before}{due_time(start, now)}{after}" if distance else self.verdict


async def load_overview(
    source: RecordSource, absence: Absence | None = None, doctor: DoctorReport | None = None
) -> Overview:
    """Read what the overview shows, and build it; doctor is asked elsewhere, because it takes a second."""
    status, strip = await gather(source.status(), load_strip(source))
    failed = [job["run_id"] for job in status["failed"][:MAX_ATTENTIONS] if job["run_id"]]
    running = list(dict.fromkeys(run["job"] for run in status["running"][:MAX_ROWS]))
    ends, usual = await gather(source.runs_by_id(failed), find_usual_durations(source, running))
    pids = [run["pid"] for run in status["running"][:MAX_ROWS] if run["pid"] is not None]
    return build_overview(
        status,
        source.now(),
        source.zone.key,
        ends=ends,
        usual=usual,
        strip=strip,
        absence=absence,
        doctor=doctor,
        pids=source.present_processes(pids),
    )


def build_overview(
    status: Mapping[str, Any],
    now: datetime,
    zone: str,
    *,
    ends: Mapping[str, Run],
    usual: Mapping[str, UsualDuration | None],
    strip: Strip,
    absence: Absence | None = None,
    doctor: DoctorReport | None = None,
    pids: Container[int] = (),
) -> Overview:
    """Return the overview of a status; `ends` are the runs that failed last, by id, `pids` those that are there."""
    found = [] if doctor is None else list(find_doctor_matters(doctor, status["problems"]))
    time, has_daemon = local_times(zone, now), status["state"] != NOT_RUNNING
    named: list[datetime] = []

    def write_start(at: str) -> str:
        named.append(_instant(at))
        return due_time(at, now)

    verdict = judge_health(
        status,
        None,
        now,
        write_start,
        doctor_problems=len(found),
        past=lambda at: time(_instant(at)),
    )
    attention = [*find_attentions(status, ends, now, time), *found]
    seen_until = now if has_daemon or not status.get("down_since") else _instant(status["down_since"])
    running, waiting = status["running"], status["waiting"]
    return Overview(
        now=now,
        zone=zone,
        ok=verdict.ok,
        verdict=verdict.text,
        verdict_start_at=named[0] if named else None,
        daemon=_daemon_of(status),
        counts=count_jobs(status),
        attention=tuple(attention[:MAX_ATTENTIONS]),
        attention_extent=Extent(min(len(attention), MAX_ATTENTIONS), len(attention)),
        running=tuple(
            _running_row(run, usual.get(run["job"]), now, pids, None if has_daemon else seen_until)
            for run in running[:MAX_ROWS]
        ),
        running_extent=Extent(min(len(running), MAX_ROWS), len(running)),
        waiting=tuple(_waiting_row(run) for run in waiting[:MAX_ROWS]),
        waiting_extent=Extent(min(len(waiting), MAX_ROWS), len(waiting)),
        upcoming=list_upcoming(status),
        strip=strip,
        absence=absence,
        doctor_at=None if doctor is None else doctor.at,
        names=dict(status.get("names", {})),
    )


def list_upcoming(status: Mapping[str, Any]) -> tuple[UpcomingStart, ...]:
    """Return the next starts in a status, one of each job; without a daemon each needs one by then."""
    note = NEEDS_DAEMON if status["state"] == NOT_RUNNING else ""
    return tuple(_upcoming_start(start, note) for start in status["next"])


def _upcoming_start(start: Mapping[str, Any], note: str) -> UpcomingStart:
    at, blocked = _instant(start["at"]), start.get("blocked")
    return UpcomingStart(start["job"], at, None if blocked else at, f"will be skipped: {blocked}" if blocked else note)


def count_jobs(status: Mapping[str, Any]) -> JobCounts:
    """Return the numbers in a status."""
    lists = ("running", "waiting", "paused", "disabled", "failed", "overdue")
    return JobCounts(jobs=status["jobs"], **{name: len(status[name]) for name in lists})


def find_attentions(
    status: Mapping[str, Any], ends: Mapping[str, Run], now: datetime, time: TimeFormat
) -> Iterator[Attention]:
    """Yield what needs a person, the worst first; `time` writes the instants in reasons.

    That no job starts at all comes first, then jobs, and then the problems of rae-auto itself in the order of a status,
    which begins with the severe ones: a person has come for the jobs.
    """
    times = status.get("problem_times", {})
    quarantined = status.get("quarantined", ())
    problems = [_problem(text, times.get(text), is_quarantined=text in quarantined) for text in status["problems"]]
    if status["state"] == NOT_RUNNING:
        # The command that starts one stands beside it, as the action.
        why = "no daemon is running, so nothing starts"
        since, action = status.get("down_since"), Action("look", "", "start a daemon", "rae-auto run")
        yield Attention(kind="problem", job=None, since=since and _instant(since), why=why, action=action)
    if status["state"] == STANDBY and not status["pid"]:
        why = "no daemon answers here, so this machine doesn't take over if the leader ends"
        yield Attention(kind="problem", job=None, why=why, action=Action("look", "", "start a daemon", "rae-auto run"))
    if status["state"] == DEGRADED:
        yield from problems[:1]
        del problems[:1]
    for failed in sorted(status["failed"], key=lambda job: job["at"] or "", reverse=True):
        yield _failure(failed, ends.get(failed["run_id"] or ""), time)
    for job in status["overdue"]:
        yield Attention(
            kind="overdue",
            job=job["job"],
            since=_instant(job["expected_by"]),
            why=f"{job['job']} is overdue: no run has succeeded since {time(_instant(job['since']))}",
            action=_run_action(job["job"], "run now"),
        )
    has_been = "was already" if status["state"] == NOT_RUNNING else "has been"
    for run in status["running"]:
        if run["overran_at"]:
            yield Attention(
                kind="too_long",
                job=run["job"],
                run_id=run["run_id"],
                since=_instant(run["overran_at"]),
                why=f"{run['job']} {has_been} running for longer than expected",
                action=Action("cancel", run["run_id"], "cancel", f"rae-auto cancel {run['run_id']}"),
            )
    for run in find_long_waits(status, now):
        waited = measure_wait(run, now)
        yield Attention(
            kind="waiting",
            job=run["job"],
            run_id=run["run_id"],
            since=now - waited,
            why=f"{run['job']} has been waiting since {time(now - waited)}: {run['waiting_for']}",
            action=Action("cancel", run["run_id"], "cancel", f"rae-auto cancel {run['run_id']}"),
        )
    yield from problems


def _problem(text: str, at: str | None, *, is_quarantined: bool) -> Attention:
    since, why = None if at is None else _instant(at), " ".join(text.split())
    if is_quarantined:
        action = Action("reload", "", "try it again", "rae-auto reload")
        return Attention(kind="quarantined", job=None, since=since, is_seen=True, why=why, action=action)
    return Attention(kind="problem", job=None, since=since, is_seen=True, why=why, action=_SEE_DOCTOR)


_SEE_DOCTOR = Action("doctor", "", "see what to do", "rae-auto doctor")


def find_doctor_matters(report: DoctorReport, problems: Sequence[str]) -> Iterator[Attention]:
    """Yield the problems that doctor found, but for those of the daemon: its status has them as they are now."""
    for row in report.problems:
        if row.subject != "daemon" and not any(row.observation in problem for problem in problems):
            why = f"{row.subject}: {' '.join(row.observation.split())}"
            yield Attention(kind="doctor", job=None, since=report.at, is_seen=True, why=why, action=_SEE_DOCTOR)


def _failure(failed: Mapping[str, Any], run: Run | None, time: TimeFormat) -> Attention:
    job, state = failed["job"], str(failed["state"]).replace("_", " ")
    verb = f"was {state}" if state == "lost" else state
    details = "" if run is None else describe_end(run, time)
    times = f", {failed['failures']} times in a row" if failed["failures"] > 1 else ""
    return Attention(
        kind=str(failed["state"]),
        job=job,
        run_id=failed["run_id"],
        since=_instant(failed["at"]) if failed["at"] else None,
        why=f"{job} {verb}{times}{f': {details}' if details else ''}",
        action=_run_action(job, "run again"),
    )


def _run_action(job: str, label: str) -> Action:
    return Action("run", job, label, f"rae-auto trigger {job}")


def _running_row(
    run: Mapping[str, Any],
    usual: UsualDuration | None,
    now: datetime,
    pids: Container[int],
    daemon_seen_until: datetime | None,
) -> RunningRow:
    """Return the row of a run; `daemon_seen_until` is when a daemon was last there, None if one is there now."""
    started_at, has_daemon = _instant(run["started_at"] or run["queued_at"]), daemon_seen_until is None
    is_known = has_daemon or run["pid"] in pids
    until = now if is_known or daemon_seen_until is None else daemon_seen_until
    return RunningRow(
        run_id=run["run_id"],
        job=run["job"],
        attempt=run["attempt"],
        started_at=started_at,
        elapsed=max(until - started_at, timedelta(0)),
        is_known=is_known,
        usual=usual,
        is_too_long=bool(run["overran_at"]),
        pid=run["pid"],
        seen_at=now if run["pid"] in pids else None,
        proof=_describe_proof(run, pids, has_daemon),
    )


def _describe_proof(run: Mapping[str, Any], pids: Container[int], has_daemon: bool) -> str:
    if run["state"] != "running":
        return "its executor has been asked to start it"
    if run["pid"] is None:
        return "its executor runs it" if has_daemon else "it ran when the last daemon ended"
    if run["pid"] in pids:
        return f"process {run['pid']} is there"
    # Without a daemon a run stays open until the next one looks.
    return f"process {run['pid']} has {'just ended' if has_daemon else 'ended; the next daemon finds out how'}"


def _waiting_row(run: Mapping[str, Any]) -> WaitingRow:
    return WaitingRow(
        run_id=run["run_id"],
        job=run["job"],
        state=run["state"],
        queued_at=_instant(run["queued_at"]),
        waiting_since=waiting_since(run),
        waiting_for=run["waiting_for"] or "it is next",
    )


def _daemon_of(status: Mapping[str, Any]) -> DaemonSummary:
    return DaemonSummary(
        pid=status["pid"],
        version=status["version"],
        state=status["state"],
        started_at=status["started_at"] and _instant(status["started_at"]),
        config=status["config"],
        state_directory=status["state_directory"],
        enabled=status["enabled"],
        disabled_by=status["disabled_by"],
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
