"""Downtimes: one notice that the daemon is back, once all starts that it missed are decided.

Theory
======

*Once for each downtime.* A start that finds that no daemon ran saves the downtime as pending, in the first commit. Each
turn that decides missed starts adds them to it, in the commit that moves the cursors over them. The turn that decides
the last of them puts the notice into the outbox and marks the downtime as reported, in one commit. So a crash before it
leaves the pending downtime to the next daemon, which goes on counting where this one stopped, and a crash after it
finds the downtime reported. The notes from which a downtime is read may be older than the store: the time since when no
daemon ran identifies it.

*Whom it is for.* Each notifier of a job that has "back" in `notify.on` gets it once. It is held only if the rules of
all these jobs hold it, and then until the first of them lets it go.
"""

from datetime import datetime, timedelta

from attrs import evolve

from rae_auto.engine.notices.deliveries import put_into_outbox
from rae_auto.engine.state import JobEntry
from rae_auto.engine.turn import Turn
from rae_auto.model.notices.downtime import Downtime
from rae_auto.model.notices.outbox import Hold, OutboxNotice
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.daily_spans import find_end_of_spans, parse_daily_span
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import JobId, digest

MIN_DOWNTIME = timedelta(minutes=1)
"""Time from which on it is worth a notice that no daemon ran: a restart takes less."""


def restore_downtime(turn: Turn, found: Downtime | None, known: Downtime | None) -> None:
    """Take in the downtime before this start, and one of which the last daemon had not decided everything."""
    if known is not None and not known.is_reported:
        # That start was cut off: the starts that it has decided count, and it lasts until now.
        pending = known if found is None else evolve(known, until=max(known.until, found.until))
    elif found is None or found.until - found.since < MIN_DOWNTIME or (known and known.since == found.since):
        turn.state.downtime = known
        return
    else:
        pending = found
    turn.state.downtime = pending
    turn.step.save(pending)


def count_missed(turn: Turn, job: JobId, late: int, skipped: int, *, has_more: bool) -> None:
    """Count missed starts of a job for the notice that the daemon is back, if there is to be one."""
    downtime = turn.state.downtime
    if downtime is not None and not downtime.is_reported:
        turn.state.downtime = downtime.with_starts(job, late, skipped, has_more=has_more)


def report_back(turn: Turn) -> None:
    """Save what was counted; once all missed starts are decided, put the notice into the outbox."""
    downtime = turn.state.downtime
    if downtime is None or downtime.is_reported:
        return
    if turn.state.backlog is None:
        put_into_outbox(turn, _make_notices(turn, downtime))
        downtime = Downtime(since=downtime.since, until=downtime.until, cause=downtime.cause, is_reported=True)
        turn.state.downtime = downtime
    turn.step.save(downtime)


def _make_notices(turn: Turn, downtime: Downtime) -> list[OutboxNotice]:
    zone, now = turn.state.settings.zone, turn.now.wall
    notice = OutboxNotice(
        id=f"daemon.{digest(format_instant(downtime.since), 8).hex()}.{NotifyOn.BACK}",
        notifier="",
        kind=NotifyOn.BACK,
        job=JobId(""),
        at=downtime.until,
        text=downtime.describe(lambda instant: instant.astimezone(zone).isoformat(" ", "seconds")),
        decided_at=now,
    )
    holds: dict[str, list[tuple[datetime | None, Hold | None]]] = {}
    for entry in turn.state.jobs.values():
        if NotifyOn.BACK in entry.job.notify.on:
            for name in entry.job.notify.via or turn.state.settings.notifiers:
                holds.setdefault(name, []).append(_hold(turn, entry))
    made = []
    for name, of_jobs in holds.items():
        until, hold = min(of_jobs, key=lambda one: one[0] or now)
        made.append(evolve(notice, notifier=name, held_until=until, hold=hold))
    return made


def _hold(turn: Turn, entry: JobEntry) -> tuple[datetime | None, Hold | None]:
    """Return until when a job's rules hold a notice about the daemon, and why."""
    policy, now = entry.job.notify, turn.now.wall
    until = None if policy.digest is None else now + policy.digest
    hold = None if policy.digest is None else Hold.DIGEST
    spans = map(parse_daily_span, policy.quiet_hours)
    quiet_until = find_end_of_spans(spans, until or now, turn.state.settings.zone) if policy.quiet_hours else None
    return (until, hold) if quiet_until is None else (quiet_until, Hold.QUIET_HOURS)
