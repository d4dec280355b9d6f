"""Deliveries: when a notice of the outbox goes out, alone or with others, and what follows a failure.

Theory
======

*Durable before visible.* A notice is saved in the part of the turn that decides it: with the end of its run, or the
breach that it is about. `Deliver` is an effect, so it follows the commit, and `DeliveryEnded` takes the notice out of
the store. A crash before the commit: nothing happened. A crash after it: the notice is delivered by the next daemon. A
crash between the delivery and the commit of its end: it is delivered again, with the same id. So each notice is
delivered at least once, and a receiver that heeds its id sees it once.

*What a notice does*, in the order of its fields:

    held_until ──► ready ──► under way ──┬─► gone: delivered
        (held)       ▲                   │
                     └── next_try_at ◄───┼── failed, tries + 1
                                         └─► given_up_at: after MAX_TRIES

*Holding.* Quiet hours, digests and the limit only choose `held_until`; nothing is dropped by them. What was held goes
out with all else that was held for the same notifier and is due, as one notice. That this one has the same id after a
crash too, its `batch` is saved with each of its members before it goes out.

*Bounds.* For each job and notifier `MAX_WAITING_PER_JOB` notices wait, of all together `MAX_WAITING`. Beyond that the
oldest gives way, and the one that took its place says how many are left out (`left_out`). Delays between tries double
from `FIRST_DELAY` to `MAX_DELAY`; after `MAX_TRIES` tries, which is about a day, a notice is given up, and the latest
`MAX_GIVEN_UP` of those are kept to be seen.

*Clocks.* Times on the wall are for people; alarms ring by the clock that can't be set. After a restart, a sleep or a
set clock the alarms are set again, and no delay between tries is longer than it would have been.
"""

from collections.abc import Iterable
from datetime import timedelta

from attrs import evolve

from rae_auto.engine.commands import ChangeOutbox
from rae_auto.engine.effects import Deliver, DeliveryFailed
from rae_auto.engine.events import DeliveryEnded
from rae_auto.engine.time.timers import Alarm
from rae_auto.engine.turn import Turn
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.policies import NotifyOn

MAX_WAITING_PER_JOB = 50
"""Number of notices about a job that wait for a notifier."""

MAX_WAITING = 5000
"""Number of notices that wait, of all jobs together."""

MAX_DELIVERIES = 4
"""Number of deliveries to a notifier that are under way at a time."""

MAX_BATCH_NOTICES = 50
"""Number of notices that one sums up."""

FIRST_DELAY = timedelta(seconds=10)
MAX_DELAY = timedelta(hours=1)
"""The delays before the second try of a delivery, and before each of the last ones."""

MAX_TRIES = 33
"""Number of failed deliveries after which a notice is given up: about a day after the first one."""

MAX_GIVEN_UP = 100
"""Number of notices that were given up and are kept to be seen."""

KEEP_GIVEN_UP = timedelta(days=30)
"""Time after which one that was given up is forgotten, at a start."""


def put_into_outbox(turn: Turn, notices: Iterable[OutboxNotice]) -> None:
    """Save notices that have been decided, and deliver those that nothing holds back."""
    for notice in notices:
        added = _make_room(turn, notice)
        turn.state.outbox.put(added)
        turn.step.save(added)
        _await_delivery(turn, added)
        _deliver_ready(turn, notice.notifier)


def _make_room(turn: Turn, notice: OutboxNotice) -> OutboxNotice:
    """Let the oldest notice give way if there are too many; return the new one, which counts it."""
    outbox = turn.state.outbox
    oldest = None
    if outbox.count_waiting(notice.notifier, notice.job) >= MAX_WAITING_PER_JOB:
        oldest = outbox.find_oldest(notice.notifier, notice.job)
    elif len(outbox) >= MAX_WAITING:
        oldest = outbox.find_oldest_of_all()
    if oldest is None:
        return notice
    _forget(turn, oldest)
    is_same_job = (oldest.notifier, oldest.job) == (notice.notifier, notice.job)
    return evolve(notice, left_out=oldest.left_out + 1) if is_same_job else notice


def _forget(turn: Turn, notice: OutboxNotice) -> None:
    turn.state.outbox.remove(notice)
    turn.step.discard(notice)


def _await_delivery(turn: Turn, notice: OutboxNotice) -> None:
    """Put a notice into the queue of its notifier, or set the alarm for that."""
    if notice.given_up_at is not None:
        return
    wait = timedelta(0)
    if notice.held_until is not None:
        wait = notice.held_until - turn.now.wall
    if notice.next_try_at is not None:
        wait = max(wait, min(notice.next_try_at - turn.now.wall, _delay_after(notice.tries)))
    if wait > timedelta(0):
        turn.state.timers.set(turn.now.mono + wait.total_seconds(), Alarm.NOTICE, notice.key, notice.tries)
    else:
        turn.state.outbox.make_ready(notice)


def _delay_after(tries: int) -> timedelta:
    """Return the delay after this many failed deliveries."""
    return min(FIRST_DELAY * (1 << min(tries - 1, 20)), MAX_DELAY)


def ring_notice(turn: Turn, key: str, tries: int) -> None:
    """Deliver a notice that was held back, or could not be delivered, if its time has come.

    `tries` is the number of failures at which the alarm was set; after another one it rings no more.
    """
    notice = turn.state.outbox.notices.get(key)
    if notice is None or notice.tries != tries:
        return
    if notice.held_until is not None and notice.held_until > turn.now.wall:
        _await_delivery(turn, notice)
        return
    turn.state.outbox.make_ready(notice)
    _deliver_ready(turn, notice.notifier)


def _deliver_ready(turn: Turn, notifier: str) -> None:
    """Request the deliveries that may be under way now."""
    outbox = turn.state.outbox
    while (first := outbox.take_ready(notifier, MAX_DELIVERIES)) is not None:
        batch = _find_batch(turn, first)
        outbox.begin(batch)
        turn.step.request(Deliver(batch))


def _find_batch(turn: Turn, first: OutboxNotice) -> tuple[OutboxNotice, ...]:
    """Return the notices that go out with this one; those that were held back are saved as a batch."""
    if first.hold is None:
        return (first,)
    others = (notice for notice in turn.state.outbox if notice.notifier == first.notifier and notice.hold is not None)
    if first.batch:
        return tuple(notice for notice in others if notice.batch == first.batch and notice.given_up_at is None)
    now = turn.now.wall
    due = [one for one in others if not one.batch and one.given_up_at is None and (one.held_until or now) <= now]
    waiting = [one for one in due if not turn.state.outbox.is_under_way(one)][:MAX_BATCH_NOTICES]
    if len(waiting) < 2 or first not in waiting:
        return (first,)
    batch = tuple(evolve(one, batch=f"{first.id}.batch") for one in waiting)
    for one in batch:
        turn.state.outbox.put(one)
        turn.step.save(one)
    return batch


def end_delivery(turn: Turn, event: DeliveryEnded) -> None:
    """Forget notices that are delivered; have others tried again later, or give them up."""
    ended = turn.state.outbox.end(event.keys)
    # A batch has one schedule, that of its newest member: each with its own would hasten the others.
    tries = min((notice.tries for notice in ended), default=0) + 1
    for notice in ended:
        if event.error is None:
            _forget(turn, notice)
        else:
            _note_failure(turn, notice, event.error, tries, others=len(ended) - 1 if notice is ended[0] else None)
    for notifier in dict.fromkeys(notice.notifier for notice in ended):
        _deliver_ready(turn, notifier)


def _note_failure(turn: Turn, notice: OutboxNotice, error: str, tries: int, others: int | None) -> None:
    """Have a notice tried again later, or give it up; report it with the number of `others`, if given."""
    now = turn.now.wall
    # A start that is reported after the end of its run would be wrong.
    is_over = tries >= MAX_TRIES or notice.kind is NotifyOn.START
    failed = evolve(
        notice,
        tries=tries,
        error=error,
        next_try_at=None if is_over else now + _delay_after(tries),
        given_up_at=now if is_over else None,
    )
    turn.state.outbox.put(failed)
    turn.step.save(failed)
    if others is not None:
        turn.step.request(DeliveryFailed(failed, others))
    if notice.kind is NotifyOn.START:
        _forget(turn, failed)
    elif is_over:
        for old in turn.state.outbox.given_up()[:-MAX_GIVEN_UP]:
            _forget(turn, old)
    else:
        _await_delivery(turn, failed)


def restore_notices(turn: Turn, notices: Iterable[OutboxNotice]) -> None:
    """Take in the notices that the last daemon left, and deliver those that are due."""
    notifiers = set()
    for notice in sorted(notices, key=lambda notice: notice.decided_at):
        if notice.given_up_at is not None and turn.now.wall - notice.given_up_at > KEEP_GIVEN_UP:
            turn.step.discard(notice)
            continue
        turn.state.outbox.put(notice)
        _await_delivery(turn, notice)
        notifiers.add(notice.notifier)
    for notifier in sorted(notifiers):
        _deliver_ready(turn, notifier)


def recheck_notices(turn: Turn) -> None:
    """Set the alarms of waiting notices again, after a clock was set or the machine slept."""
    for notice in turn.state.outbox:
        if not turn.state.outbox.is_under_way(notice):
            _await_delivery(turn, notice)
    for notifier in sorted({notice.notifier for notice in turn.state.outbox}):
        _deliver_ready(turn, notifier)


def change_outbox(turn: Turn, command: ChangeOutbox) -> None:
    """Deliver at once what waits for its next try or was given up, or forget what is not delivered."""
    if not command.discard:
        count = retry_notices(turn, given_up=True, notifier=command.notifier)
    else:
        outbox = turn.state.outbox
        found = [one for one in outbox if command.notifier in (None, one.notifier) and not outbox.is_under_way(one)]
        for notice in found:
            _forget(turn, notice)
        count = len(found)
    turn.step.reply(command.ask, {"notices": count})


def retry_notices(turn: Turn, *, given_up: bool = False, notifier: str | None = None) -> int:
    """Deliver at once what waits for its next try, and with `given_up` also that; return how many notices those are."""
    count = 0
    for notice in turn.state.outbox:
        is_tried = notice.next_try_at is not None or (given_up and notice.given_up_at is not None)
        if not is_tried or turn.state.outbox.is_under_way(notice) or notifier not in (None, notice.notifier):
            continue
        again = evolve(notice, next_try_at=None, given_up_at=None, tries=0 if notice.given_up_at else notice.tries)
        turn.state.outbox.put(again)
        turn.step.save(again)
        turn.state.outbox.make_ready(again)
        count += 1
    for name in sorted({notice.notifier for notice in turn.state.outbox}):
        _deliver_ready(turn, name)
    return count
