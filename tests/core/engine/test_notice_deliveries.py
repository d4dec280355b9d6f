"""Deliveries of notices: held, tried again, given up, bounded, and never lost in a crash."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.engine.commands import Reconfigure
from rae_auto.engine.effects import DeliveryFailed
from rae_auto.engine.notices import deliveries
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.model.job import Job
from rae_auto.model.notices.outbox import Hold, OutboxNotice
from rae_auto.model.policies import NoticeLimit, NotifyPolicy, RetryPolicy
from rae_auto.model.run import RunState
from rae_auto.simulation.virtual_engine import EPOCH, VirtualWorld
from rae_auto.simulation.virtual_store import FaultyStore, ValueStore, VirtualCrash

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ANY_NUMBER = NoticeLimit(notices=10_000)


def failing(job, id="a", **rules):
    """A job whose failures are reported."""
    return job(id, notify=NotifyPolicy(on=("failure",), via=("ops",), **rules), overlap="allow")


def fail(w, job="a", times=1):
    for _ in range(times):
        w.fail(w.trigger(job))
        # Or the ids of two runs were the same.
        w.advance(timedelta(milliseconds=1))


def test_notice_is_saved_with_the_end_of_its_run(world, job):
    w = world(failing(job))
    w.notifiers_hang = True
    fail(w)
    (notice,) = w.stored(OutboxNotice)
    assert notice.run == w.history[0].id
    w.notifiers_hang = False
    w.deliver_notices()
    assert w.stored(OutboxNotice) == ()
    assert w.notices == [notice]


def test_start_is_reported_once_and_not_held_back(world, job):
    rules = NotifyPolicy(on=("start", "failure"), via=("ops",), digest=DAY, quiet_hours=("00:00-24:00",))
    w = world(job("a", notify=rules, retry_policy=RetryPolicy(attempts=2, delay=SECOND, jitter=0)))
    run = w.trigger("a")
    w.confirm(run)
    (notice,) = w.notices
    assert (notice.kind, notice.run, notice.state, notice.text) == ("start", run, RunState.RUNNING, "a started")
    w.fail(run)
    w.advance(MINUTE)
    w.confirm(run)
    w.fail(run)
    assert [notice.kind for notice in w.notices] == ["start"]
    assert [notice.kind for notice in w.stored(OutboxNotice)] == ["failure"]


def test_start_that_can_not_be_delivered_is_not_tried_again(world, job):
    w, tries = world(job("a", notify=NotifyPolicy(on=("start", "success"), via=("ops",)))), []

    def refuse(wanted):
        tries.extend(notice.kind for notice in wanted.notices)
        return "no network"

    w.deliver = refuse
    run = w.trigger("a")
    w.confirm(run)
    w.end(run)
    w.advance(15 * SECOND)
    assert tries == ["start", "success", "success"]
    assert [notice.kind for notice in w.stored(OutboxNotice)] == ["success"]


def test_notice_that_fails_is_tried_again_ever_later_and_given_up(world, job):
    w, tries, reports = world(failing(job)), [], []

    def refuse(wanted):
        tries.append(w.now.wall)
        return "no network"

    w.deliver = refuse
    w.on_effect = reports.append
    fail(w)
    w.advance(3 * DAY)
    delays = [later - earlier for earlier, later in pairwise(tries)]
    assert delays[:5] == [10 * SECOND, 20 * SECOND, 40 * SECOND, 80 * SECOND, 160 * SECOND]
    assert set(delays[9:]) == {HOUR}
    assert len(tries) == deliveries.MAX_TRIES
    assert DAY <= tries[-1] - tries[0] < DAY + HOUR
    (notice,) = w.stored(OutboxNotice)
    assert (notice.given_up_at, notice.error, notice.next_try_at) == (tries[-1], "no network", None)
    failed = [effect.notice.tries for effect in reports if isinstance(effect, DeliveryFailed)]
    assert failed == list(range(1, deliveries.MAX_TRIES + 1))


def test_next_try_and_its_number_survive_a_restart(world, job):
    w = world(failing(job))
    w.deliver = lambda _: "no network"
    fail(w)
    w.advance(15 * SECOND)
    w.crash()
    (notice,) = w.engine.notices()
    assert notice.tries == 2
    w.deliver = lambda _: None
    w.advance(10 * SECOND)
    assert w.notices == []
    w.advance(10 * SECOND)
    assert [one.id for one in w.notices] == [notice.id]


def test_clock_that_was_set_back_does_not_delay_the_next_try(world, job):
    w = world(failing(job))
    w.deliver = lambda _: "no network"
    fail(w)
    w.crash(clock_set_by=-DAY, reboots=True)
    w.deliver = lambda _: None
    w.advance(11 * SECOND)
    assert len(w.notices) == 1


def test_reload_tries_again_at_once(world, job):
    w = world(failing(job))
    w.deliver = lambda _: "no network"
    fail(w)
    w.advance(HOUR)
    w.deliver = lambda _: None
    w.feed(Reconfigure(w.settings, (Plan(Job(id="b", command="x"), origin=JobOrigin.CONFIG),)))
    assert len(w.notices) == 1


def test_hanging_notifier_holds_up_no_other_and_no_run(world, job):
    plan = job("a", notify=NotifyPolicy(on=("failure",), limit=ANY_NUMBER), overlap="allow")
    w = world(plan, notifiers=("hung", "good"))
    w.deliver_notices = lambda: None
    fail(w, times=20)
    under_way = Counter(one.notices[0].notifier for one in w.deliveries)
    assert under_way["hung"] <= deliveries.MAX_DELIVERIES
    assert len(w.history) == 20
    while good := [one for one in w.deliveries if one.notices[0].notifier == "good"]:
        w.deliveries.remove(good[0])
        w.notices += good[0].notices
        w.feed(deliveries.DeliveryEnded((good[0].notices[0].key,)))
    assert [notice.notifier for notice in w.notices] == ["good"] * 20


def test_recovery_does_not_overtake_the_failure(world, job):
    w = world(job("a", notify=NotifyPolicy(on=("failure", "recovery"), via=("ops",))))
    w.notifiers_hang = True
    fail(w)
    w.end(w.trigger("a"))
    assert len(w.deliveries) == 1
    w.notifiers_hang = False
    w.deliver_notices()
    assert [notice.kind.value for notice in w.notices] == ["failure", "recovery"]


# Holding


def test_notices_beyond_the_limit_come_together_when_the_period_ends(world, job):
    w = world(failing(job, limit=NoticeLimit(notices=2, per="1h")))
    batches = []
    w.deliver = lambda wanted: batches.append((w.now.wall, len(wanted.notices)))
    fail(w, times=5)
    w.advance(2 * HOUR)
    fail(w)
    assert [size for _, size in batches] == [1, 1, 3, 1]
    assert batches[2][0] == EPOCH + HOUR
    assert {notice.hold for notice in w.notices[2:5]} == {Hold.LIMIT}


def test_digest_gathers_from_the_first_notice_on(world, job):
    w = world(failing(job, digest="1h"))
    w.advance(10 * MINUTE)
    fail(w)
    w.advance(30 * MINUTE)
    fail(w, times=2)
    w.crash()
    w.advance(31 * MINUTE)
    first, *others = w.notices
    assert [notice.batch for notice in others] == [first.batch] * 2
    fail(w)
    w.advance(59 * MINUTE)
    assert len(w.notices) == 3
    w.advance(MINUTE)
    assert (len(w.notices), w.notices[3].batch) == (4, "")


def test_quiet_hours_hold_notices_of_all_jobs_until_the_morning():
    zone = ZoneInfo("Europe/Berlin")
    rules = NotifyPolicy(on=("failure",), via=("ops",), quiet_hours=("22:00-07:00", "Sat,Sun 00:00-24:00"))
    plans = [Plan(Job(id=id, command="x", notify=rules, overlap="allow")) for id in "ab"]
    # Friday evening: the weekend follows the night without a gap.
    w = VirtualWorld(*plans, start=datetime(2026, 1, 2, 20, tzinfo=UTC))
    w.feed(Reconfigure(evolve(w.settings, zone=zone), ()))
    fail(w)
    w.advance(2 * HOUR)
    fail(w, "b")
    held = [notice.held_until for notice in w.engine.notices()]
    assert held == [datetime(2026, 1, 5, 6, tzinfo=UTC)]
    w.advance(4 * DAY)
    assert [notice.job for notice in w.notices] == ["a", "b"]


def test_notice_that_was_given_up_joins_no_batch(world, job, monkeypatch):
    monkeypatch.setattr(deliveries, "MAX_TRIES", 1)
    w, reports = world(failing(job, digest="1h")), []
    w.on_effect = reports.append
    w.deliver = lambda _: "no network"
    fail(w, times=2)
    w.advance(2 * HOUR)
    w.deliver = lambda _: None
    fail(w, times=2)
    w.advance(2 * HOUR)
    assert len(w.notices) == 2
    assert [one.given_up_at is not None for one in w.stored(OutboxNotice)] == [True, True]
    # One line of the log for both.
    assert [one.others for one in reports if isinstance(one, DeliveryFailed)] == [1]


def test_batch_is_the_same_after_a_crash(world, job):
    w = world(failing(job, digest="1h"))
    fail(w, times=3)
    w.notifiers_hang = True
    w.advance(HOUR)
    (delivery,) = w.deliveries
    fail(w)
    w.crash(down=2 * HOUR)
    w.notifiers_hang = False
    again = list(w.deliveries)
    assert [sorted(notice.id for notice in one.notices) for one in again if len(one.notices) > 1] == [
        sorted(notice.id for notice in delivery.notices)
    ]
    assert again[0].notices[0].batch == delivery.notices[0].batch != ""


def test_clock_that_is_set_changes_when_a_held_notice_comes(world, job):
    w = world(failing(job, digest="10h"))
    fail(w)
    w.set_clock(9 * HOUR)
    w.advance(59 * MINUTE)
    assert w.notices == []
    w.advance(2 * MINUTE)
    assert len(w.notices) == 1
    fail(w)
    w.sleep(11 * HOUR)
    assert len(w.notices) == 2


# Bounds


def test_oldest_notice_of_a_job_gives_way_and_is_counted(world, job):
    w = world(failing(job, limit=ANY_NUMBER), failing(job, "b"))
    w.notifiers_hang = True
    fail(w, "b")
    fail(w, times=deliveries.MAX_WAITING_PER_JOB + 7)
    kept = [notice for notice in w.stored(OutboxNotice) if notice.job == "a"]
    assert len(kept) == deliveries.MAX_WAITING_PER_JOB
    assert sum(notice.left_out for notice in kept) == 7
    assert [notice.job for notice in w.stored(OutboxNotice)].count("b") == 1


def test_outbox_as_a_whole_is_bounded(world, job, monkeypatch):
    monkeypatch.setattr(deliveries, "MAX_WAITING", 10)
    w = world(*(failing(job, f"j{number}") for number in range(15)))
    w.deliver = lambda _: "no network"
    for number in range(15):
        fail(w, f"j{number}")
    assert [notice.job for notice in w.engine.notices()] == [f"j{number}" for number in range(5, 15)]
    assert set(w.stored(OutboxNotice)) == set(w.engine.notices())


def test_notices_that_were_given_up_are_kept_for_a_while(world, job, monkeypatch):
    monkeypatch.setattr(deliveries, "MAX_GIVEN_UP", 3)
    monkeypatch.setattr(deliveries, "MAX_TRIES", 1)
    w = world(failing(job))
    w.deliver = lambda _: "no network"
    fail(w, times=5)
    assert len(w.stored(OutboxNotice)) == 3
    w.crash(down=31 * DAY)
    assert w.stored(OutboxNotice) == ()


# All together: whatever happens, each notice is delivered at least once, and a second time only after a crash.

STEPS = st.lists(
    st.sampled_from(
        ["fail", "succeed", "wait", "crash", "crash before commit", "crash after commit", "outage", "sleep"]
    ),
    max_size=25,
)
RULES = st.builds(
    NotifyPolicy,
    on=st.just(("failure", "recovery")),
    via=st.just(("ops", "me")),
    digest=st.sampled_from([None, "1h"]),
    limit=st.sampled_from([NoticeLimit(), NoticeLimit(notices=1, per="1h")]),
    quiet_hours=st.sampled_from([(), ("01:00-02:00",)]),
)


def test_batch_that_fails_is_given_up_no_sooner_than_its_newest_member():
    rules = NotifyPolicy(on=("failure",), via=("ops",), digest="1h")
    w = VirtualWorld(Plan(Job(id="a", command="x", notify=rules, overlap="allow")))
    w.deliver = lambda _: "no network"
    for _ in range(2):
        w.fail(w.trigger("a"))
        w.advance(HOUR + SECOND)
    w.advance(20 * HOUR)
    waiting = w.stored(OutboxNotice)
    assert len(waiting) == 2
    assert {(notice.given_up_at, notice.tries) for notice in waiting} == {(None, waiting[0].tries)}


@settings(max_examples=60, deadline=None)
@given(STEPS, RULES)
def test_each_notice_is_delivered_whatever_happens(steps, rules):
    store = FaultyStore(ValueStore())
    w = VirtualWorld(Plan(Job(id="a", command="x", notify=rules, overlap="allow", on_crash="fail")), store=store)
    crashes, outage = 0, [False]
    w.deliver = lambda _: "no network" if outage[0] else None
    for step in steps:
        match step:
            case "fail" | "succeed" | "crash before commit" | "crash after commit":
                run = w.trigger("a")
                store.crash = step.split()[1] if "commit" in step else None
                try:
                    w.end(run) if step == "succeed" else w.fail(run)
                except VirtualCrash:
                    crashes += 1
                    w.crash()
                w.advance(SECOND)
            case "wait":
                w.advance(HOUR)
            case "crash":
                crashes += 1
                w.crash(down=MINUTE)
            case "outage":
                outage[0] = not outage[0]
            case "sleep":
                w.sleep(2 * HOUR)
        assert {notice.key for notice in w.engine.notices()} == {notice.key for notice in w.stored(OutboxNotice)}
    outage[0] = False
    w.advance(DAY)
    assert w.stored(OutboxNotice) == ()
    delivered = Counter((notice.notifier, notice.id) for notice in w.notices)
    ended = [run for run in w.history if run.state.value in ("failed", "lost")]
    assert {(name, f"{run.id}.failure") for run in ended for name in ("ops", "me")} <= delivered.keys()
    assert all(count <= 1 + crashes for count in delivered.values())
