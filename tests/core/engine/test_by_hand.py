"""Pauses that end by themselves, and starts that are skipped by hand."""

from datetime import timedelta

import pytest

from rae_auto.errors import BadRequest, JobNotFound
from rae_auto.model import documents
from rae_auto.model.job_state import JobState
from rae_auto.model.policies import CatchUp
from rae_auto.model.reasons import Due, Paused, SkippedByHand
from rae_auto.simulation.virtual_engine import EPOCH

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
UNTIL = EPOCH + HOUR


def starts(w):
    return [start.run.scheduled_for - EPOCH for start in w.started]


def reasons(w):
    return [type(decision.reason) for decision in w.decisions]


def is_paused(w, job="a"):
    return w.engine.job(job).state.paused


class TestPauseWithAnEnd:
    def test_pause_ends_by_itself_with_the_instant_of_its_end(self, world, job):
        w = world(job("a", every=20, overlap="allow"))
        w.pause("a", until=UNTIL, note="moving house")
        w.advance(HOUR)
        assert [d.reason for d in w.decisions[:2]] == [Paused(UNTIL, "moving house")] * 2
        assert (starts(w), is_paused(w)) == ([HOUR], False)
        assert w.stored(JobState)[0].pause_note == ""

    def test_pause_ends_without_anything_due(self, world, job):
        w = world(job("a", every=24 * 60))
        w.pause("a", until=EPOCH + timedelta(minutes=1, seconds=30))
        w.advance(2 * MINUTE)
        assert not is_paused(w)

    def test_waiting_run_starts_when_the_pause_ends(self, world, job):
        w = world(job("a"))
        w.pause("a", until=UNTIL, note="disk full")
        w.fire("a", "file", "x")
        (waiting,) = w.engine.runs()
        assert w.engine.waiting_for(waiting.run.id) == Paused(UNTIL, "disk full")
        w.advance(HOUR)
        assert list(w.active_starts) == [waiting.run.id]

    @pytest.mark.parametrize(
        "pass_time",
        [
            lambda w: w.sleep(2 * HOUR),
            lambda w: w.set_clock(2 * HOUR),
            lambda w: w.crash(down=2 * HOUR),
        ],
        ids=["suspend", "clock set forward", "restart"],
    )
    def test_pause_ends_by_the_wall_clock(self, world, job, pass_time):
        w = world(job("a", every=24 * 60))
        w.pause("a", until=UNTIL)
        pass_time(w)
        assert not is_paused(w)

    def test_pause_lasts_until_a_clock_set_back_shows_its_end(self, world, job):
        w = world(job("a", every=24 * 60))
        w.pause("a", until=UNTIL)
        w.advance(59 * MINUTE)
        w.set_clock(-30 * MINUTE)
        w.advance(30 * MINUTE)
        assert is_paused(w)
        w.advance(MINUTE)
        assert not is_paused(w)

    def test_pause_survives_a_restart_with_its_end_and_note(self, world, job):
        w = world(job("a", every=60))
        w.pause("a", until=UNTIL, note="holiday")
        w.crash(down=MINUTE)
        assert w.engine.job("a").state.find_pause() == Paused(UNTIL, "holiday")
        w.advance(HOUR)
        assert not is_paused(w)

    def test_pause_keeps_its_begin_over_a_restart_until_it_ends(self, world, job):
        w = world(job("a", every=24 * 60))
        w.advance(MINUTE)
        w.pause("a")
        begin = w.now.wall
        w.advance(MINUTE)
        w.pause("a", until=UNTIL, note="the same pause")
        w.crash(down=MINUTE)
        assert w.engine.job("a").state.paused_at == begin
        w.advance(2 * HOUR)
        assert (is_paused(w), w.engine.job("a").state.paused_at) == (False, None)

    def test_state_of_an_earlier_version_has_no_begin_of_its_pause(self):
        document = documents.dump(JobState("a", paused=True, paused_at=EPOCH))
        assert documents.load(JobState, document).paused_at == EPOCH
        del document["paused_at"]
        assert documents.load(JobState, document) == JobState("a", paused=True)

    def test_instants_in_a_pause_do_not_run_after_downtime(self, world, job):
        w = world(job("a", every=20, overlap="allow", catch_up=CatchUp.ALL))
        w.pause("a", until=UNTIL)
        w.crash(down=100 * MINUTE)
        w.advance(MINUTE)
        assert [d.count for d in w.decisions if isinstance(d.reason, Paused)] == [2]
        assert sorted(starts(w)) == [HOUR, 80 * MINUTE, 100 * MINUTE]

    def test_pausing_again_moves_the_end(self, world, job):
        w = world(job("a", every=24 * 60))
        w.pause("a", until=UNTIL)
        w.pause("a", until=UNTIL + HOUR)
        w.advance(HOUR)
        assert is_paused(w)
        w.pause("a")
        w.advance(3 * HOUR)
        assert is_paused(w), "a pause without an end replaces the one with an end"

    def test_resume_ends_a_pause_before_its_time(self, world, job):
        w = world(job("a", every=20))
        w.pause("a", until=UNTIL, note="x")
        w.resume("a")
        assert w.engine.job("a").state.find_pause() is None
        w.pause("a")
        w.advance(2 * HOUR)
        assert is_paused(w)

    def test_next_start_is_the_first_one_after_the_pause(self, world, job):
        w = world(job("a", every=20))
        w.pause("a", until=EPOCH + 40 * MINUTE)
        assert w.engine.next_at("a") == EPOCH + 40 * MINUTE
        w.pause("a", until=EPOCH + 41 * MINUTE)
        assert w.engine.next_at("a") == EPOCH + HOUR

    def test_removed_job_leaves_no_end_behind(self, world, job):
        w = world(job("a", every=20))
        w.pause("a", until=UNTIL)
        w.remove("a")
        w.add(job("a", every=20))
        w.pause("a")
        w.advance(2 * HOUR)
        assert is_paused(w)


class TestSkip:
    def test_skip_skips_the_next_start_alone(self, world, job):
        w = world(job("a", every=20, overlap="allow"))
        assert w.skip("a") == EPOCH + 20 * MINUTE
        assert w.engine.next_at("a") == EPOCH + 40 * MINUTE
        w.advance(40 * MINUTE)
        assert w.decisions[0].reason == SkippedByHand(EPOCH)
        assert (starts(w), w.engine.job("a").state.skips) == ([40 * MINUTE], ())

    def test_second_skip_skips_the_start_after(self, world, job):
        w = world(job("a", every=20, overlap="allow"))
        assert [w.skip("a"), w.skip("a")] == [EPOCH + 20 * MINUTE, EPOCH + 40 * MINUTE]
        w.advance(HOUR)
        assert starts(w) == [HOUR]

    def test_undo_takes_back_the_last_skip(self, world, job):
        w = world(job("a", every=20, overlap="allow"))
        w.skip("a")
        w.skip("a")
        assert w.skip("a", undo=True) == EPOCH + 40 * MINUTE
        w.advance(40 * MINUTE)
        assert starts(w) == [40 * MINUTE]
        with pytest.raises(BadRequest, match="no skipped start to take back"):
            w.skip("a", undo=True)

    def test_skip_survives_a_restart_and_downtime(self, world, job):
        w = world(job("a", every=20, overlap="allow"))
        w.skip("a")
        w.crash(down=30 * MINUTE)
        assert reasons(w) == [SkippedByHand]
        w.advance(10 * MINUTE)
        assert starts(w) == [40 * MINUTE]

    def test_skipped_start_does_not_displace_a_missed_one(self, world, job):
        w = world(job("a", every=20, overlap="allow", catch_up=CatchUp.LATEST))
        w.pause("a", until=EPOCH + 30 * MINUTE)
        w.skip("a")
        w.resume("a")
        w.crash(down=45 * MINUTE)
        assert sorted(d.at - EPOCH for d in w.decisions) == [20 * MINUTE, 40 * MINUTE]
        assert starts(w) == [20 * MINUTE]

    def test_skipped_start_before_missed_ones_is_decided_once(self, world, job):
        w = world(job("a", every=20, overlap="allow"))
        skipped = w.skip("a")
        # Its next instant is missed, and the one after that runs.
        w.crash(down=61 * MINUTE)
        w.set_clock(-55 * MINUTE)
        w.advance(2 * HOUR)
        assert [type(d.reason) for d in w.decisions if d.at == skipped] == [SkippedByHand]
        assert skipped not in [start.run.scheduled_for for start in w.started]

    def test_skip_is_used_up_in_a_pause(self, world, job):
        w = world(job("a", every=20, overlap="allow"))
        w.skip("a")
        w.pause("a")
        w.advance(20 * MINUTE)
        w.resume("a")
        w.advance(20 * MINUTE)
        assert reasons(w) == [Paused, Due]

    def test_skip_during_a_pause_is_the_first_start_after_it(self, world, job):
        w = world(job("a", every=20))
        w.pause("a", until=EPOCH + 30 * MINUTE)
        assert w.skip("a") == EPOCH + 40 * MINUTE

    def test_skip_does_not_keep_back_a_run_by_hand(self, world, job):
        w = world(job("a", every=20))
        w.skip("a")
        w.trigger("a")
        assert len(w.active_starts) == 1

    @pytest.mark.parametrize(
        ("fields", "prepare", "message"),
        [
            ({}, lambda w: None, "has no scheduled start to skip"),
            ({"every": 1}, lambda w: w.pause("a"), "is paused, so it has no start to skip; 'rae-auto resume a'"),
            ({"every": 1, "enabled": False}, lambda w: None, "is disabled"),
            ({"every": 1}, lambda w: [w.skip("a") for _ in range(100)], "has 100 skipped starts already"),
        ],
        ids=["no schedule", "paused", "disabled", "too many"],
    )
    def test_skip_is_refused_without_a_start_to_come(self, world, job, fields, prepare, message):
        w = world(job("a", **fields))
        prepare(w)
        with pytest.raises(BadRequest, match=message):
            w.skip("a")

    def test_skip_of_an_unknown_job_is_refused(self, world, job):
        with pytest.raises(JobNotFound, match='no job "b"'):
            world(job("a")).skip("b")
