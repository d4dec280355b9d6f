"""A real daemon whose wall clock is set while it runs: nothing twice, nothing lost, and the log says so."""

import sys
from datetime import UTC, datetime

import pytest
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="preloads a library as Linux does")


@pytest.mark.requirement("R13", "R14", "R12")
def test_clock_set_forward_loses_nothing_set_back_repeats_nothing(machine):
    machine.set("2026-06-01T09:30:00+00:00")
    machine.serve("0 * * * *")
    machine.set("2026-06-01T10:30:00+00:00")
    eventually(lambda: machine.ran() == ["2026-06-01T10:00:00+00:00"])
    assert "was set forward" in machine.log()
    machine.set("2026-06-01T09:59:58+00:00")
    eventually(lambda: "was set back" in machine.log())
    eventually(lambda: machine.now() > datetime(2026, 6, 1, 10, 0, 1, tzinfo=UTC))
    # Whatever is due has been decided when the daemon answers this.
    machine.ask("trigger", job="other", request=None)
    machine.set("2026-06-01T10:59:58+00:00")
    ran = ["2026-06-01T10:00:00+00:00", "2026-06-01T11:00:00+00:00"]
    eventually(lambda: machine.ran() == ran)
    assert len(machine.ask("history", job="timed")) == 2
    why = machine.ask("why", job="timed", at="2026-06-01T10:00:00+00:00")
    assert "it is a missed run, started late by catch_up" in why["answer"]


@pytest.mark.requirement("R15")
def test_fixed_time_in_a_dst_gap_runs_once_at_its_end(machine):
    machine.set("2026-03-29T00:30:00+00:00")
    machine.serve("30 2 * * *")
    machine.set("2026-03-29T00:59:58+00:00")
    eventually(lambda: machine.ran() == ["2026-03-29T01:00:00+00:00"])
    machine.set("2026-03-29T02:00:00+00:00")
    machine.ask("trigger", job="other", request=None)
    assert len(machine.ask("history", job="timed")) == 1
    why = machine.ask("why", job="timed", at="2026-03-29T02:30")
    assert "02:30 does not exist on 2026-03-29 in Europe/Berlin; due at 03:00" in why["answer"]


@pytest.mark.requirement("R15")
def test_a_fixed_time_in_a_fold_runs_in_its_first_pass_only(machine):
    machine.set("2026-10-25T00:00:00+00:00")
    machine.serve("30 2 * * *")
    machine.set("2026-10-25T00:29:58+00:00")
    eventually(lambda: machine.ran() == ["2026-10-25T00:30:00+00:00"])
    machine.set("2026-10-25T01:29:58+00:00")
    eventually(lambda: machine.now() > datetime(2026, 10, 25, 1, 30, 1, tzinfo=UTC))
    machine.ask("trigger", job="other", request=None)
    assert len(machine.ask("history", job="timed")) == 1
    why = machine.ask("why", job="timed", at="2026-10-25T02:30")
    assert "02:30 comes twice on 2026-10-25 in Europe/Berlin; due the first time" in why["answer"]


@pytest.mark.requirement("R15")
def test_a_wild_minute_runs_in_both_passes(machine):
    machine.set("2026-10-25T00:00:00+00:00")
    machine.serve("30 * * * *")
    machine.set("2026-10-25T00:29:58+00:00")
    eventually(lambda: machine.ran() == ["2026-10-25T00:30:00+00:00"])
    machine.set("2026-10-25T01:29:58+00:00")
    eventually(lambda: machine.ran() == ["2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00"])
