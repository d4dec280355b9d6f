"""Reports: from an event in the life of a job to notices, if its rules want one, and how long they are held back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from rae_auto.engine.notices.deliveries import put_into_outbox
from rae_auto.engine.notices.downtimes import count_missed
from rae_auto.engine.notices.rules import choose_kinds, count_end, count_skips
from rae_auto.engine.state import JobEntry
from rae_auto.engine.turn import Turn
from rae_auto.model.decision import Decision
from rae_auto.model.expectations import Breach, Overdue
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.notices.outbox import Hold, NoticeCounts, OutboxNotice
from rae_auto.model.policies import NoticeLimit, NotifyOn, NotifyPolicy
from rae_auto.model.primitives.daily_spans import find_end_of_spans, parse_daily_span
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import digest
from rae_auto.model.reasons import Disabled, Missed, MissedCause, Paused, SkippedByHand
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run

GATHER_SECONDS = 3.0
"""Time for which notices about downtime are gathered: one restart concerns many jobs at once."""

_OWN_WISH = (Paused, Disabled, SkippedByHand, Missed)
"""Reasons for a skip that aren't counted: people wanted it, or it is reported as downtime."""


@frozen(kw_only=True)
class _Report:
    """The content of notices, apart from their notifiers. Its `id` is the same whenever it is about the same event."""

    id: str
    kind: NotifyOn
    text: str
    at: datetime
    run: Run | None = None


def report_start(turn: Turn, job_entry: JobEntry, policy: NotifyPolicy, run: Run) -> None:
    """Report that the first attempt of a run has started, for services that measure and expect ends.

    Nothing holds it back, it counts against no limit, and it is tried once: it is of use at once or never.
    """
    if NotifyOn.START in policy.on:
        text = f"{run.job} started"
        _notify(
            turn,
            job_entry,
            policy,
            _Report(id=f"{run.id}.{NotifyOn.START}", kind=NotifyOn.START, text=text, at=turn.now.wall, run=run),
        )


def report_end(turn: Turn, job_entry: JobEntry, job: Job, before: JobState, run: Run) -> None:
    """Report the end of a run by the rules of the job that it was decided under. The caller saves the job's state.

    `before` is that state before the run ended.
    """
    counts, policy = job_entry.state.notice_counts, job.notify
    was_overdue = before.expectation is not None and before.expectation.overdue_at is not None
    ends_breach = was_overdue or run.overran_at is not None
    kinds = choose_kinds(policy, counts, run.state, ends_breach=ends_breach) if policy.on else ()
    counts_after = count_end(counts, run.state)
    if counts_after is not counts:
        _set_counts(job_entry, counts_after)
    for kind in kinds:
        assert run.finished_at is not None
        text = describe_end(kind, run)
        _notify(
            turn, job_entry, policy, _Report(id=f"{run.id}.{kind}", kind=kind, text=text, at=run.finished_at, run=run)
        )


def describe_end(kind: NotifyOn, run: Run) -> str:
    """Return what a notice says of the end of a run, in one line."""
    if kind is NotifyOn.RECOVERY:
        return f"{run.job} succeeded again"
    why = run.reason.text if run.reason else (f"exit code {run.exit_code}" if run.exit_code else "")
    return f"{run.job} {run.state.text}" + (f": {why}" if why and kind is not NotifyOn.SUCCESS else "")


def report_breach(turn: Turn, job_entry: JobEntry, breach: Breach, run: Run | None = None) -> None:
    """Report a job that is overdue, or a run that takes too long. Saves the job's state if that changes."""
    kind = NotifyOn.LATE if isinstance(breach, Overdue) else NotifyOn.OVERRUN
    policy = job_entry.job.notify
    if kind not in policy.on:
        return
    job, now = job_entry.job.id, turn.now.wall
    verb = "is overdue" if kind is NotifyOn.LATE else "takes too long"
    id = _identify(job, kind, format_instant(now)) if run is None else f"{run.id}.{kind}"
    text = f"{job} {verb}: {breach.describe(_time_format(turn))}"
    _notify_and_save(turn, job_entry, _Report(id=id, kind=kind, text=text, at=now, run=run))


def report_skip(turn: Turn, decision: Decision) -> None:
    """Count skipped starts of a job, and report them if there were many in a row."""
    job_entry = turn.state.jobs.get(decision.job)
    if job_entry is None or isinstance(decision.reason, _OWN_WISH):
        return
    policy = job_entry.job.notify
    if NotifyOn.SKIPPED not in policy.on:
        return
    counts, is_reported = count_skips(policy, job_entry.state.notice_counts, decision.count)
    _set_counts(job_entry, counts)
    if is_reported:
        starts = format_count(counts.skips, "start")
        because = decision.reason.describe(_time_format(turn))
        _notify(
            turn,
            job_entry,
            policy,
            _Report(
                id=_identify(decision.job, NotifyOn.SKIPPED, decision.trigger, decision.key),
                kind=NotifyOn.SKIPPED,
                text=f"{starts} of {decision.job} in a row skipped, the last one because {because}",
                at=turn.now.wall,
            ),
        )
    turn.step.save(job_entry.state)


def report_downtime(
    turn: Turn,
    job_entry: JobEntry,
    trigger: str,
    missed: Sequence[datetime],
    cause: MissedCause,
    *,
    has_more: bool,
    caught_up: int,
) -> None:
    """Report starts that fell due while the daemon was down or the machine slept. The caller saves the job's state.

    Where the notice that the daemon is back has them, they get none of their own.
    """
    policy = job_entry.job.notify
    is_downtime = cause in (MissedCause.DOWN, MissedCause.SLEPT, MissedCause.STORE_REVERTED)
    if not missed or not is_downtime:
        return
    if cause is not MissedCause.SLEPT:
        count_missed(turn, job_entry.job.id, caught_up, len(missed) - caught_up, has_more=has_more)
    is_in_back_notice = cause is MissedCause.DOWN and NotifyOn.BACK in policy.on and turn.state.downtime is not None
    if NotifyOn.DOWNTIME not in policy.on or is_in_back_notice:
        return
    job, time = job_entry.job.id, _time_format(turn)
    count = f"{'more than ' if has_more else ''}{format_count(len(missed), 'start')}"
    span = time(missed[0]) if len(missed) == 1 else f"{time(missed[0])} to {time(missed[-1])}"
    late = f"{caught_up} late now" if caught_up else "none of them late"
    text = f"{count} of {job} missed because {cause.text} ({span}); catch_up runs {late}"
    report = _Report(
        id=_identify(job, NotifyOn.DOWNTIME, trigger, format_instant(missed[-1])),
        kind=NotifyOn.DOWNTIME,
        text=text,
        at=turn.now.wall,
    )
    _notify(turn, job_entry, policy, report)


def _notify_and_save(turn: Turn, job_entry: JobEntry, report: _Report) -> None:
    before = job_entry.state
    _notify(turn, job_entry, job_entry.job.notify, report)
    if job_entry.state != before:
        turn.step.save(job_entry.state)


def _notify(turn: Turn, job_entry: JobEntry, policy: NotifyPolicy, report: _Report) -> None:
    """Put a notice into the outbox for each notifier of the job. May change the job's state."""
    names = policy.via or turn.state.settings.notifiers
    if not names:
        return
    counts, hold, held_until = _hold(turn, policy, job_entry.state.notice_counts, report.kind)
    _set_counts(job_entry, counts)
    run = report.run
    notice = OutboxNotice(
        id=report.id,
        notifier="",
        kind=report.kind,
        job=job_entry.job.id,
        at=report.at,
        text=report.text,
        decided_at=turn.now.wall,
        failures=job_entry.state.failures,
        hold=hold,
        held_until=held_until,
    )
    if run is not None:
        notice = evolve(
            notice,
            run=run.id,
            state=run.state,
            cause=run.cause.text,
            exit_code=run.exit_code,
            attempt=run.attempt,
            duration=run.duration,
        )
    put_into_outbox(turn, [evolve(notice, notifier=name) for name in names])


def _hold(
    turn: Turn, policy: NotifyPolicy, counts: NoticeCounts, kind: NotifyOn
) -> tuple[NoticeCounts, Hold | None, datetime | None]:
    """Return the counts after a notice, why it is held back, if it is, and until when."""
    if kind is NotifyOn.START:
        return counts, None, None
    now = turn.now.wall
    hold: Hold | None = None
    until: datetime | None = None
    if policy.digest is not None:
        # Of a clock that was set back no more is believed than that a digest lasts so long.
        known, latest = counts.gathers_until, now + policy.digest
        hold, until = Hold.DIGEST, known if known is not None and now < known <= latest else latest
        counts = evolve(counts, gathers_until=until)
    else:
        counts, until = _count_against_limit(policy.limit, counts, now)
        hold = None if until is None else Hold.LIMIT
    if kind is NotifyOn.DOWNTIME and until is None:
        hold, until = Hold.GATHERING, now + timedelta(seconds=GATHER_SECONDS)
    if policy.quiet_hours:
        spans = map(parse_daily_span, policy.quiet_hours)
        quiet_until = find_end_of_spans(spans, until or now, turn.state.settings.zone)
        if quiet_until is not None:
            hold, until = Hold.QUIET_HOURS, quiet_until
    return counts, hold, until


def _count_against_limit(
    limit: NoticeLimit, counts: NoticeCounts, now: datetime
) -> tuple[NoticeCounts, datetime | None]:
    """Return the counts after a notice, and the end of the period if the notice is one too many for it."""
    since = counts.sent_since
    if since is None or not since <= now < since + limit.per:
        return evolve(counts, sent=1, sent_since=now), None
    if counts.sent < limit.notices:
        return evolve(counts, sent=counts.sent + 1), None
    return counts, since + limit.per


def _set_counts(job_entry: JobEntry, counts: NoticeCounts) -> None:
    if counts is not job_entry.state.notice_counts and counts != job_entry.state.notice_counts:
        job_entry.state = evolve(job_entry.state, notice_counts=counts)


def _identify(job: str, kind: NotifyOn, *facts: str) -> str:
    """Return the id of a notice that is about no run; the text that identifies it is hashed, because it may be long."""
    text = "\0".join(facts)
    return f"{job}.{digest(text, 8).hex()}.{kind}"


def _time_format(turn: Turn) -> TimeFormat:
    """Return how notices have instants: in full, because they are read elsewhere and later."""
    zone = turn.state.settings.zone
    return lambda instant: instant.astimezone(zone).isoformat(" ", "seconds")
