"""An edited configuration is checked and simulated beside the one of the file, which stays as it is."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.daemons import Daemons

from rae_auto.engine.effects import Record
from rae_auto.errors import BadRequest, ConfigError
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due
from rae_auto.model.run import Run, RunState
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.runtime.repository import encode
from rae_auto.screens import Assumptions, WhatIf, WhatIfEdits, load_what_if
from rae_auto.simulation.forecast import Forecast, Scenario, simulate
from rae_auto.views.screens.what_if import AssumedDuration, DurationOrigin
from rae_plugins.stores.sqlite import SqliteStore

CONFIG = """timezone = "UTC"
max_parallel = 1

[jobs.backup]
command = ["true"]
schedule = "0 3 * * *"

[jobs.sync]
command = ["true"]
schedule = "0 4 * * *"
"""
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def what_if(path: Path, text: str, **options: Any) -> WhatIf:
    return asyncio.run(load_what_if(path, text, since=NOON, span=timedelta(days=2), assumptions=Assumptions(**options)))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "rae.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


def test_moved_schedule_moves_its_starts(config: Path) -> None:
    found = what_if(config, CONFIG.replace("0 4 * * *", "0 3 * * *"), durations={"backup": timedelta(minutes=10)})
    assert found.is_usable
    assert [(start.job, start.change) for start in found.starts].count(("sync", "added")) == 2
    groups = [(one.job, one.change, one.count, list(one.starts)) for one in found.start_groups]
    assert sorted(group[:3] for group in groups) == [("sync", "added", 2), ("sync", "removed", 2)]
    assert all(starts == [one.at for one in found.starts if one.change == change] for _, change, _, starts in groups)
    (job,) = found.jobs
    assert (job.job, job.change, job.starts_before, job.starts_after) == ("sync", "changed", 2, 2)
    assert (job.waits_before, job.waits_after) == (0, 2)
    assert found.collisions_after > found.collisions_before
    assert '-schedule = "0 4 * * *"' in found.patch
    assert config.read_text() == CONFIG


def test_added_and_removed_jobs_are_named(config: Path) -> None:
    found = what_if(config, CONFIG.replace("[jobs.sync]", "[jobs.copy]"))
    assert [(job.job, job.change) for job in found.jobs] == [("copy", "added"), ("sync", "removed")]


def test_errors_have_their_lines_and_nothing_is_compared(config: Path) -> None:
    found = what_if(config, CONFIG.replace("0 4 * * *", "0 99 * * *"))
    assert not found.is_usable
    assert [(problem.line, problem.is_error) for problem in found.problems] == [(10, True)]
    assert found.starts == ()
    assert not what_if(config, "[jobs").is_usable


def test_assumption_is_compared_with_the_present_as_an_edit_is(config: Path) -> None:
    assert what_if(config, CONFIG, durations={"backup": timedelta(minutes=10)}).jobs == (), "a fact of both"
    down = (NOON + timedelta(hours=12), NOON + timedelta(hours=20))
    found = what_if(config, CONFIG, downtimes=[down])
    started = [(start.job, start.at - NOON, start.change) for start in found.starts if start.change == "removed"]
    assert started == [("backup", timedelta(hours=15), "removed"), ("sync", timedelta(hours=16), "removed")]
    assert found.patch == ""
    longer = what_if(config, CONFIG, durations={"backup": timedelta(minutes=10)}, duration_factor=7)
    assert (longer.collisions_before, longer.collisions_after) == (0, 2)


def test_patch_names_the_file_that_is_edited(config: Path) -> None:
    jobs = config.rename(config.with_name("jobs.toml"))
    edited = CONFIG.replace("0 4 * * *", "0 3 * * *")
    for patch in (what_if(jobs, edited).patch, WhatIfEdits(jobs).check(edited).patch):
        assert patch.splitlines()[:2] == ["--- a/jobs.toml", "+++ b/jobs.toml"]


def test_saved_side_is_simulated_once_for_several_edits(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated: list[set[str]] = []

    def simulate_counted(scenario: Scenario) -> Forecast:
        simulated.append({plan.job.id for plan in scenario.plans})
        return simulate(scenario)

    monkeypatch.setattr("rae_auto.reading.what_if.simulate", simulate_counted)
    edits, day = WhatIfEdits(config), timedelta(days=1)
    assert edits.compare(edits.check(CONFIG), day, Assumptions()).jobs == ()
    for name in ("copy", "clone"):
        found = edits.compare(edits.check(CONFIG.replace("[jobs.sync]", f"[jobs.{name}]")), day, Assumptions())
        assert [job.job for job in found.jobs] == [name, "sync"]
    assert simulated == [{"backup", "sync"}, {"backup", "copy"}, {"backup", "clone"}]
    longer = edits.compare(edits.check(CONFIG), 2 * day, Assumptions())
    assert longer.until - longer.since == 2 * day
    config.write_text(CONFIG.replace("[jobs.sync]", "[jobs.copy]"))
    assert edits.compare(edits.check(CONFIG), day, Assumptions()).jobs[0].job == "copy"
    assert simulated[-2:] == [{"backup", "copy"}, {"backup", "sync"}]


def test_check_finds_mistakes_before_anything_is_simulated(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("rae_auto.reading.what_if.simulate")
    checked = WhatIfEdits(config).check(CONFIG.replace("0 4 * * *", "0 99 * * *"))
    assert [(problem.line, problem.is_error) for problem in checked.problems] == [(10, True)]
    assert '+schedule = "0 99 * * *"' in checked.patch


def test_check_needs_nothing_of_what_is_saved(config: Path) -> None:
    config.write_text("[jobs")
    edits = WhatIfEdits(config)
    checked = edits.check(CONFIG.replace("0 4 * * *", "0 99 * * *"))
    assert [(problem.line, problem.is_error) for problem in checked.problems] == [(10, True)]
    assert "-[jobs\n" in checked.patch
    with pytest.raises(ConfigError):
        edits.compare(edits.check(CONFIG), timedelta(days=1), Assumptions())


def test_paused_job_does_not_start_unless_pauses_are_ignored(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, CONFIG, 'state = "{home}/state"\n')
    daemons.serve()
    try:
        daemons.ask("pause", job="sync", note="moving house")
        for read in ("from the daemon", "from the store"):
            found = what_if(daemons.config, daemons.config.read_text())
            assert found.playback is not None
            assert {lane.job for lane in found.playback.lanes if any(lane.starts)} == {"backup"}, read
            assert '"sync" is paused (note: moving house)' in found.assumptions
            ignored = what_if(daemons.config, daemons.config.read_text(), ignores_pauses=True)
            assert [(job.job, job.starts_before, job.starts_after) for job in ignored.jobs] == [("sync", 0, 2)], read
            daemons.stop()
    finally:
        daemons.end()


def past_run(number: int, minutes: float) -> Run:
    at = NOON - timedelta(days=number)
    return Run(
        id=RunId(f"{number:026}"), job=JobId("backup"), trigger="cron", key=str(number), scheduled_for=at, queued_at=at,
        cause=Due(), state=RunState.SUCCEEDED, started_at=at, finished_at=at + timedelta(minutes=minutes), attempt=1,
    )  # fmt: skip


def test_runs_take_as_long_as_usual_and_10_s_where_none_has_succeeded(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, CONFIG, 'state = "{home}/state"\nhistory = { keep = "36500d" }\n')
    store = SqliteStore()
    store.open(claim_state_directory(daemons.state))
    # The median is that of the latest 60, as in all other views.
    lengths = [*[500.0] * 60, *[30.0] * 29, 70.0, *[90.0] * 30]
    store.commit(encode([Record(past_run(len(lengths) - number, one)) for number, one in enumerate(lengths)]))
    store.close()
    try:
        for read in ("from the store", "from the daemon"):
            found = what_if(daemons.config, daemons.config.read_text())
            lengths_of = {one.job: (one.duration, one.origin) for one in found.durations}
            assert lengths_of == {
                "backup": (timedelta(minutes=70), "history"),
                "sync": (timedelta(seconds=10), "assumed"),
            }, read
            assert found.collisions_after == 2, read
            assert found.assumptions == (
                "runs of 1 job take the median of their latest successful runs, and succeed",
                "runs of 1 job take 10 s each, because none has succeeded yet, and succeed",
            )
            given = what_if(
                daemons.config,
                daemons.config.read_text(),
                durations={"backup": timedelta(minutes=5)},
                duration_factor=2,
            )
            assert given.durations[0] == AssumedDuration(
                job="backup", duration=timedelta(minutes=10), origin=DurationOrigin.GIVEN
            )
            assert "runs of 1 job take 10 min each, as given, times 2, and succeed" in given.assumptions
            if read == "from the store":
                daemons.serve()
    finally:
        daemons.end()


def test_too_long_a_span_is_refused(config: Path) -> None:
    with pytest.raises(BadRequest):
        asyncio.run(load_what_if(config, CONFIG, span=timedelta(days=400)))


GUARDED = CONFIG.replace('"0 4 * * *"', '"0 4 * * *"\nguards = [{ type = "power", id = "mains" }]')


def test_answer_of_a_guard_is_assumed_to_be_yes_or_as_given(config: Path) -> None:
    config.write_text(GUARDED)
    by_default = what_if(config, GUARDED)
    assert [(guard.job, guard.guard, guard.answer) for guard in by_default.guards] == [("sync", "mains", "yes")]
    found = what_if(config, GUARDED, guards=["sync.mains=no"])
    assert [guard.answer for guard in found.guards] == ["no"]
    assert found.playback is not None
    assert {job for step in found.playback.steps for job in step.jobs} == {"backup"}
    with pytest.raises(BadRequest, match="mians"):
        what_if(config, GUARDED, guards=["mians=no"])


def test_answer_of_a_guard_that_is_gone_is_left_out_where_it_may_be(config: Path) -> None:
    chosen = ["sync.mains=no", "gone.mains=no"]
    assert [guard.answer for guard in what_if(config, GUARDED, optional_guards=chosen).guards] == ["no"]
    broken = what_if(config, GUARDED + "[jobs", optional_guards=chosen)
    assert (broken.is_usable, broken.guards) == (False, ())
    assert what_if(config, CONFIG, optional_guards=chosen).is_usable


def test_span_that_was_asked_for_is_known_where_less_was_simulated(config: Path) -> None:
    edits, day = WhatIfEdits(config), timedelta(days=1)
    found = edits.compare(edits.check(CONFIG, NOON), day, Assumptions(), asked=31 * day)
    assert (found.until - NOON, found.asked_until - NOON) == (day, 31 * day)


def test_start_that_moves_within_its_second_is_no_change(config: Path) -> None:
    # One slot: sync waits for backup.
    both = CONFIG.replace("0 4 * * *", "0 3 * * *")
    config.write_text(both)
    took = timedelta(seconds=10)
    little, more = (what_if(config, both, durations={"backup": took}, duration_factor=by) for by in (1.001, 1.2))
    assert little.starts == ()
    assert [start.job for start in more.starts] == ["sync"] * 4
    assert {start.at.microsecond for start in more.starts} == {0}


def test_longer_runs_collide(config: Path) -> None:
    durations = {"backup": timedelta(minutes=10)}
    assert what_if(config, CONFIG, durations=durations).collisions_after == 0
    assert what_if(config, CONFIG, durations=durations, duration_factor=7).collisions_after == 2


def test_playback_has_every_start_in_its_step(config: Path) -> None:
    found = what_if(config, CONFIG, durations={"backup": timedelta(minutes=50)})
    playback = found.playback
    assert playback is not None
    assert len(playback.steps) * playback.step == timedelta(days=2)
    starting = [(step.at, step.jobs, step.active) for step in playback.steps if step.starts]
    assert starting == [
        (NOON + timedelta(hours=15 + day), (job,), active)
        for day in (0, 24)
        for job, hours, active in (("backup", 0, 1), ("sync", 1, 0))
        for day in (day + hours,)
    ]
    lanes = {lane.job: lane.starts for lane in playback.lanes}
    assert {job: sum(starts) for job, starts in lanes.items()} == {"backup": 2, "sync": 2}
    assert playback.lanes_extent.is_complete
