"""One notice that the daemon is back: what it says, whom it is for, and once for each downtime over any crash."""

from datetime import timedelta

import pytest

from rae_auto.model.notices.outbox import Hold
from rae_auto.model.policies import NotifyPolicy
from rae_auto.simulation.virtual_engine import VirtualWorld
from rae_auto.simulation.virtual_store import FaultyStore, ValueStore, VirtualCrash

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def on(*kinds, via=("ops",), **rules):
    return NotifyPolicy(on=kinds, via=via, **rules)


def back_texts(w):
    return [notice.text for notice in w.notices if notice.kind == "back"]


def test_notice_says_how_long_why_and_what_became_of_starts(world, job):
    w = world(job("a", every=30, notify=on("back")), job("b", every=60, catch_up="none"), job("c"))
    w.crash(down=timedelta(hours=2, minutes=10))
    assert back_texts(w) == [
        "the daemon is back: none ran for at most 2 h 10 min "
        "(last seen at 2026-01-01 00:00:00+00:00, back at 2026-01-01 02:10:00+00:00), "
        "because the last one crashed or was killed; 1 start runs late now: a; 5 starts were skipped: a (3), b (2)"
    ]
    assert (w.notices[0].job, w.notices[0].run) == ("", "")


def test_downtime_without_a_missed_start_is_reported_too(world, job):
    w = world(job("a", notify=on("back")))
    w.crash(down=HOUR)
    assert back_texts(w)[0].endswith("; no start was missed")


def test_short_restart_is_no_downtime_to_be_reported(world, job):
    w = world(job("a", every=1, notify=on("back")))
    w.crash(down=timedelta(seconds=50))
    w.advance(HOUR)
    assert back_texts(w) == []


def test_sleep_of_the_machine_is_no_downtime_of_the_daemon(world, job):
    w = world(job("a", every=30, notify=on("back")))
    w.sleep(3 * HOUR)
    assert back_texts(w) == []


def test_each_notifier_gets_it_once(world, job):
    jobs = [job(name, every=30, notify=on("back", via=via)) for name, via in (("a", ("ops",)), ("b", ("ops", "me")))]
    w = world(*jobs, job("c", notify=on("failure", via=("third",))))
    w.crash(down=HOUR)
    assert sorted(notice.notifier for notice in w.notices) == ["me", "ops"]
    assert len({notice.id for notice in w.notices}) == 1


def test_job_with_both_rules_gets_one_notice(world, job):
    w = world(job("a", every=30, notify=on("back", "downtime")), job("b", every=30, notify=on("downtime")))
    w.crash(down=3 * HOUR)
    w.advance(MINUTE)
    assert sorted((notice.kind.value, notice.job) for notice in w.notices) == [("back", ""), ("downtime", "b")]


def test_second_downtime_is_a_second_notice(world, job):
    w = world(job("a", notify=on("back")))
    w.crash(down=HOUR)
    w.advance(HOUR)
    w.crash(down=2 * HOUR)
    assert len(back_texts(w)) == 2
    assert len({notice.id for notice in w.notices}) == 2


def test_quiet_hours_of_all_jobs_hold_it_back(world, job):
    quiet = on("back", quiet_hours=("00:00-06:00",))
    w = world(job("a", notify=quiet), job("b", notify=quiet))
    w.crash(down=HOUR)
    assert back_texts(w) == []
    assert w.engine.notices()[0].hold is Hold.QUIET_HOURS
    w.advance(6 * HOUR)
    assert len(back_texts(w)) == 1


def test_one_job_without_quiet_hours_lets_it_through_at_once(world, job):
    w = world(job("a", notify=on("back", quiet_hours=("00:00-06:00",))), job("b", notify=on("back")))
    w.crash(down=HOUR)
    assert len(back_texts(w)) == 1


def test_many_jobs_are_summed_up(world, job):
    w = world(*(job(f"j{n}", every=30, notify=on("back")) for n in range(15)))
    w.crash(down=timedelta(minutes=40))
    assert "15 starts run late now: j0, " in back_texts(w)[0]
    assert back_texts(w)[0].endswith("j9, 5 of other jobs")


@pytest.mark.requirement("R3")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("commit", range(6))
def test_crash_in_any_commit_after_the_start_repeats_and_loses_nothing(every, job, when, commit):
    """Each commit after a start is the last one that a daemon sees; the next one comes at once."""
    store = FaultyStore(ValueStore())
    jobs = [job(f"j{n}", every=1, catch_up="all", notify=on("back")) for n in range(8)]
    w = VirtualWorld(*jobs, store=store)
    w.advance(MINUTE)
    commits = store.commit
    left = commit

    def commit_and_die(changes):
        nonlocal left
        if left == 0:
            store.crash = when
        left -= 1
        commits(changes)

    store.commit = commit_and_die
    try:
        w.crash(down=3 * HOUR)
    except VirtualCrash:
        w.crash(down=timedelta(seconds=2))
    w.advance(MINUTE)
    assert len(set(back_texts(w))) == 1
    assert len({notice.id for notice in w.notices if notice.kind == "back"}) == 1
    # With a crash between the delivery and the commit of its end, the same one comes a second time.
    assert len(back_texts(w)) <= 2
    total = sum(entry.run.cause.code == "caught_up" for entry in w.engine.runs()) + sum(
        run.cause.code == "caught_up" for run in w.history
    )
    assert f"{total} starts run late now" in back_texts(w)[0]


def test_downtime_without_the_rule_is_never_reported_later(world, job):
    w = world(job("a"))
    w.crash(down=HOUR)
    w.put_plan(job("a", notify=on("back")))
    w.crash()
    assert back_texts(w) == []
