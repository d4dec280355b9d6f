"""rae-auto simulate: what it prints, and what it refuses."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve, frozen
from tests.support.forecasting import forecast, job
from tests.support.table_text import squeeze_columns

from rae_auto.api import Append, GuardResult, ReadGuard, SourceTrigger, TriggerContext
from rae_auto.api.plugin import Kind
from rae_auto.api.store import Put
from rae_auto.engine.effects import Record
from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.job_state import JobState, SkippedStart
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Fired, Overlapping
from rae_auto.model.run import Run, RunState
from rae_auto.registry import Registry
from rae_auto.runtime.repository import encode
from rae_auto.views.forecasts import show_differences, show_forecast
from rae_plugins.stores.sqlite import SqliteStore

Cli = Callable[..., Any]

CONFIG = """
timezone = "Europe/Berlin"

[jobs.backup]
command = ["backup"]
schedule = "30 2 * * *"

[jobs.sync]
command = ["sync"]
schedule = "*/30 2 * * *"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "rae.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


@pytest.fixture
def simulate(offline: Cli, config: Path) -> Cli:
    return lambda *arguments: offline("simulate", "--config", str(config), *arguments)


def test_simulate_shows_fixed_and_wildcard_times_in_a_fold(simulate: Cli) -> None:
    lines = simulate("--from", "2026-10-25").table.splitlines()
    assert [line.split()[:3] for line in lines if "start" in line] == [
        ["2026-10-25T02:00:00+02:00", "start", "sync"],
        ["2026-10-25T02:30:00+02:00", "start", "backup"],
        ["2026-10-25T02:30:00+02:00", "start", "sync"],
        ["2026-10-25T02:00:00+01:00", "start", "sync"],
        ["2026-10-25T02:30:00+01:00", "start", "sync"],
    ]
    assert "busy  -  2 at once: backup, sync" in lines[-2]
    assert (
        lines[-1] == "-  assumed  -  a run takes 10 s and succeeds; set the time with --durations history or JOB=TIME"
    )


def test_simulate_shows_overlaps_as_collisions(simulate: Cli) -> None:
    said = simulate("--from", "2026-11-01", "--durations", "sync=40m")
    reason = "another run of the same job has been open since 2026-11-01T02:00:00+01:00 (overlap)"
    assert f"2026-11-01T02:30:00+01:00  skip  sync  {reason}" in said.table
    assert "collision  sync  overlap, 1 time" in said.table


def test_simulate_json_has_runs_skips_and_peaks(simulate: Cli) -> None:
    result = simulate("--from", "2026-11-01", "--durations", "sync=40m", "--json").json
    assert (result["from"], result["until"]) == ("2026-11-01T00:00:00+01:00", "2026-11-02T00:00:00+01:00")
    assert [(run["job"], run["state"], run["cause"], run["wait"]) for run in result["runs"]] == [
        ("sync", "succeeded", "due", None),
        ("backup", "succeeded", "due", None),
    ]
    assert [(skip["job"], skip["reason"]) for skip in result["skips"]] == [("sync", "overlap")]
    assert [peak["jobs"] for peak in result["busiest"]] == [["backup", "sync"]]
    assert [(one["job"], one["times"]) for one in result["collisions"]] == [("sync", 1)]
    assert result["not_simulated"] == []


def test_a_downtime_is_caught_up_with(simulate: Cli) -> None:
    said = simulate("--from", "2026-11-01", "--downtime", "2026-11-01T01:00..2026-11-01T08:00")
    assert "start  backup  caught up, due 2026-11-01T02:30:00+01:00" in said.table


def test_against_shows_only_what_changes(simulate: Cli, config: Path) -> None:
    other = config.with_name("other.toml")
    other.write_text(CONFIG.replace('"30 2 ', '"0 4 '))
    other.chmod(0o600)
    assert simulate("--from", "2026-11-01", "--against", str(other)).table.splitlines() == [
        "2026-11-01T02:30:00+01:00  backup  starts  -",
        "2026-11-01T04:00:00+01:00  backup  -  starts",
    ]
    changes = simulate("--from", "2026-11-01", "--against", str(other), "--json").json["differences"]
    assert [(one["before"] is None, one["after"] is None) for one in changes] == [(False, True), (True, False)]
    assert simulate("--from", "2026-11-01", "--against", str(config)).out == ""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--from", "soon"], "invalid time"),
        (["--from", "0001-01-01"], "invalid time"),
        (["--days", "0"], "--days"),
        (["--downtime", "night"], "must be A..B"),
        (["--downtime", "2020-01-01..2020-01-02"], "lie in the simulated time"),
        (["--durations", "5m"], "must be history or JOB=TIME"),
        (["--durations", "bakup=5m"], 'did you mean "backup"'),
        (["--durations", "backup=long"], "invalid duration"),
        (["--against", "/nowhere.toml"], "file not found"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(simulate: Cli, arguments: list[str], problem: str) -> None:
    said = simulate(*arguments)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert problem in said.err


def test_no_state_is_made(simulate: Cli, tmp_path: Path) -> None:
    assert simulate("--from", "2026-11-01").code == 0
    assert not (tmp_path / "state").exists()


def test_simulate_reports_a_missing_history(simulate: Cli) -> None:
    said = simulate("--durations", "history")
    assert said.code == 1
    assert "no state in" in said.err


def test_forecast_lists_triggers_that_are_not_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    result = evolve(
        forecast(job("inbox")), unplayed=((JobId("inbox"), "file"),), taken_for_yes=((JobId("inbox"), "power"),)
    )
    show_forecast(result, ZoneInfo("UTC"), False)
    assert squeeze_columns(capsys.readouterr().out).splitlines() == [
        '-  not simulated  inbox  trigger "file": its occurrences can\'t be computed; supply them with --events',
        '-  assumed yes  inbox  guard "power": its result can\'t be computed; set it with --guard',
    ]
    show_forecast(result, ZoneInfo("UTC"), True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["not_simulated"] == [{"job": "inbox", "trigger": "file"}]
    assert shown["assumed_yes"] == [{"job": "inbox", "guard": "power"}]


def test_forecast_shows_waits_ends_and_attempts(capsys: pytest.CaptureFixture[str]) -> None:
    retry = RetryPolicy(attempts=2, delay="1m", jitter=0.0)
    plans = job("first", 60, timeout="5m", retry_policy=retry), job("after", 60, needs=["first"])
    show_forecast(forecast(*plans, durations={"first": 9}), ZoneInfo("UTC"), False)
    lines = [line.split("  ")[1:] for line in squeeze_columns(capsys.readouterr().out).splitlines()]
    assert lines == [
        ["wait", "after", '"first", which it needs, has an open run'],
        ["start", "first", "timed_out, 2 attempts"],
        ["skip", "after", 'the latest run of "first", which it needs, did not succeed'],
        ["collision", "after", "need_running, 1 time, longest wait 11 min"],
    ]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("views.tables", "views.forecasts"):
        monkeypatch.setattr(f"rae_auto.{module}.on_terminal", lambda: True)


@pytest.mark.usefixtures("terminal")
def test_terminal_shows_days_and_what_repeats_as_one_line(simulate: Cli, config: Path) -> None:
    config.write_text(CONFIG.replace("*/30 2 ", "*/10 * "))
    lines = simulate("--from", "2026-10-24", "--days", "2", "--durations", "backup=35m").out.splitlines()
    assert lines[:7] == [
        "Assumed: a run takes 10 s and succeeds; set the time with --durations history or JOB=TIME.",
        "Sat 2026-10-24 CEST",
        "  00:00-23:50           sync    start  144 times, every 10 min",
        "  02:30                 backup  start",
        "Sun 2026-10-25 CEST, then CET",
        "  00:00 CEST-23:50 CET  sync    start  150 times, every 10 min",
        "  02:30 CEST            backup  start",
    ]
    assert lines[7:10] == ["In 2 days", "  backup  2 starts", "  sync    294 starts"]
    assert simulate("--against", str(config)).out == "nothing changes\n"


@pytest.mark.usefixtures("terminal")
def test_terminal_shows_like_skips_as_one_line(simulate: Cli, config: Path) -> None:
    config.write_text('[jobs.slow]\ncommand = ["slow"]\nschedule = "*/10 * * * *"\n')
    shown = simulate("--from", "2026-11-01", "--durations", "slow=15m").out
    assert "  00:10-23:50  slow  skip   72 times, every 20 min; first another run of the same job has been" in shown
    assert "  slow  72 starts, 72 skipped (overlap)" in shown


def test_job_and_starts_limit_what_is_shown(simulate: Cli) -> None:
    options = ("--from", "2026-11-01", "--durations", "sync=40m", "--durations", "backup=1m")
    assert simulate(*options, "--job", "backup").out == "2026-11-01T02:30:00+01:00  start  backup  -\n"
    lines = simulate(*options, "--starts").out.splitlines()
    assert [line.split()[1] for line in lines] == ["start", "start", "busy"]
    said = simulate("--job", "bakup")
    assert (said.code, said.err) == (2, 'rae-auto: --job: no job "bakup"; did you mean "backup"?\n')


def test_simulate_against_shows_both_outcomes_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    before = forecast(job("a", 30), durations={"a": 40})
    after = forecast(job("a", 30, overlap="queue", timeout="35m"), durations={"a": 40})
    show_differences(before, after, ZoneInfo("UTC"), False)
    assert squeeze_columns(capsys.readouterr().out).splitlines() == [
        "2026-03-02T00:00:00+00:00  a  starts  starts, timed_out",
        "2026-03-02T00:30:00+00:00  a  skipped (overlap)  starts 2026-03-02T00:35:00+00:00",
    ]


def test_durations_come_from_the_history(simulate: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_usual_durations(project: Any, jobs: Any, connect: Any) -> dict[JobId, timedelta]:
        return {JobId("backup"): timedelta(minutes=20)}

    monkeypatch.setattr("rae_auto.offline.usual_durations.read_usual_durations", read_usual_durations)
    result = simulate("--from", "2026-11-01", "--durations", "history", "--json").json
    ends = {run["job"]: run["finished_at"][11:16] for run in result["runs"]}
    assert ends == {"backup": "01:50", "sync": "01:30"}


# The world


WORLD = """
[jobs.backup]
command = ["backup"]
schedule = "30 2 * * *"
guards = [{ type = "mains", id = "power" }]

[jobs.inbox]
command = ["import"]
trigger = { type = "drop", id = "files" }
"""


@frozen
class Mains(ReadGuard):
    """Asks the wall."""

    type: ClassVar[str] = "mains"

    async def read(self) -> GuardResult:
        raise NotImplementedError


@frozen
class Drop(SourceTrigger):
    """Watches a place."""

    type: ClassVar[str] = "drop"

    async def watch(self, context: TriggerContext) -> None:
        raise NotImplementedError


@pytest.fixture
def world(simulate: Cli, config: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Simulates a configuration with a source and a guard that can't be computed."""
    config.write_text(WORLD)
    names, get = Registry.names, Registry.get
    own: dict[Any, Any] = {(Kind.GUARD, "mains"): Mains, (Kind.TRIGGER, "drop"): Drop}
    monkeypatch.setattr(
        Registry, "names", lambda self, kind: {*names(self, kind), *(name for of, name in own if of is kind)}
    )
    monkeypatch.setattr(Registry, "get", lambda self, kind, name: own.get((kind, name)) or get(self, kind, name))
    return simulate


def runs_and_states(said: Any) -> list[tuple[str, str]]:
    return [(run["job"], run["state"]) for run in json.loads(said.out)["runs"]]


def test_simulate_without_events_lists_assumptions(world: Cli) -> None:
    said = world("--from", "2026-10-25", "--json")
    assert runs_and_states(said) == [("backup", "succeeded")]
    assert json.loads(said.out)["not_simulated"] == [{"job": "inbox", "trigger": "files"}]
    assert json.loads(said.out)["assumed_yes"] == [{"job": "backup", "guard": "power"}]


@pytest.mark.parametrize("name", ["power", "backup.power"])
def test_simulate_uses_guard_results(world: Cli, name: str) -> None:
    said = world("--from", "2026-10-25", "--guard", f"{name}=no", "--json")
    assert runs_and_states(said) == [("backup", "skipped")]


def test_simulate_reads_events_from_a_file(world: Cli, tmp_path: Path) -> None:
    lines = [
        {"at": "2026-10-25T08:00", "job": "inbox", "trigger": "files", "event": {"paths": ["/a"]}},
        {"at": "2026-10-25T01:00", "guard": "power", "verdict": "no", "reason": "on battery"},
    ]
    (tmp_path / "world.jsonl").write_text("\n".join(map(json.dumps, lines)))
    said = world("--from", "2026-10-25", "--events", "world.jsonl", "--json")
    assert runs_and_states(said) == [("backup", "skipped"), ("inbox", "succeeded")]
    assert json.loads(said.out)["not_simulated"] == json.loads(said.out)["assumed_yes"] == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--guard", "power"), '--guard "power" must be GUARD=ANSWER'),
        (
            ("--guard", "powr=no"),
            '--guard "powr": no job has this guard, or its result is computed; did you mean "power"?',
        ),
        (("--guard", "night=no"), '--guard "night": no job has this guard, or its result is computed'),
        (("--guard", "no-job.power=no"), '--guard "no-job.power": no job has this guard, or its result is computed'),
        (("--guard", "power=maybe"), '--guard power: unknown verdict "maybe"'),
        (("--events", "bad.jsonl"), "--events bad.jsonl:1: is not a line of JSON"),
        (("--events", "time.jsonl"), 'invalid time "soon"'),
    ],
)
def test_simulate_refuses_bad_events_and_guards(world: Cli, tmp_path: Path, arguments: Any, what: str) -> None:
    (tmp_path / "bad.jsonl").write_text("x")
    (tmp_path / "time.jsonl").write_text('{"at": "soon", "name": "x"}')
    said = world(*arguments)
    assert said.code == 2
    assert what in said.err


def test_simulate_reports_a_missing_events_file(world: Cli) -> None:
    said = world("--events", "gone.jsonl")
    assert said.code == 1
    assert "gone.jsonl: No such file" in said.err


def test_simulate_replays_recorded_events(world: Cli, tmp_path: Path) -> None:
    at = datetime(2026, 10, 25, 8, tzinfo=UTC)
    run = Run(
        id=RunId("01M5R5PS00DTK96VQVQ92TAA6Q"),
        job=JobId("inbox"),
        trigger="files",
        key="k",
        scheduled_for=at,
        queued_at=at,
        cause=Fired(),
        event={"paths": ["/a"]},
        state=RunState.SUCCEEDED,
        finished_at=at,
    )
    skip = Decision(
        JobId("inbox"), "files", "k2", at, Outcome.SKIP, Overlapping(RunId("r"), at), at + timedelta(hours=1)
    )
    due = Decision(JobId("backup"), "cron", at.isoformat(), at, Outcome.SKIP, Overlapping(RunId("r"), at), at)
    event = Append("events", "e", "coffee", "coffee", at, {"id": "e", "name": "coffee", "at": at.isoformat()})
    store = SqliteStore()
    (tmp_path / "state").mkdir(mode=0o700)
    store.open(tmp_path / "state")
    store.commit([*encode([Record(run), Record(skip), Record(due)]), event])
    store.close()
    said = world("--from", "2026-10-25", "--events", "recorded", "--json")
    assert runs_and_states(said) == [("backup", "succeeded"), ("inbox", "succeeded")]
    assert [one["reason"] for one in json.loads(said.out)["skips"]] == ["overlap"]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
def off_by_hand(tmp_path: Path) -> None:
    """A job that is paused for a while, and one with a start that is skipped."""
    until, skip = (
        instant("2099-01-02T00:00+01:00"),
        SkippedStart(instant("2099-01-01T02:30+01:00"), instant("2026-01-01T00:00Z")),
    )
    states = [
        JobState(JobId("backup"), paused=True, paused_until=until, pause_note="new disk"),
        JobState(JobId("sync"), skips=(skip,)),
    ]
    store = SqliteStore()
    (tmp_path / "state").mkdir(mode=0o700)
    store.open(tmp_path / "state")
    store.commit([Put(documents.STATE, state.job, documents.dump(state)) for state in states])
    store.close()


@pytest.mark.usefixtures("off_by_hand")
class TestOffByHand:
    def test_simulate_knows_pauses_and_skips_until_they_are_over(self, simulate: Cli) -> None:
        said = simulate("--from", "2099-01-01", "--days", "2", "--json").json
        assert [run["scheduled_for"] for run in said["runs"] if run["job"] == "backup"] == ["2099-01-02T01:30:00+00:00"]
        assert len([run for run in said["runs"] if run["job"] == "sync"]) == 3
        assert {(one["job"], one["reason"]) for one in said["skips"]} == {
            ("backup", "paused"),
            ("sync", "skipped_by_hand"),
        }
        assert said["paused"] == [{"job": "backup", "until": "2099-01-02T00:00:00+01:00", "note": "new disk"}]
        assert said["skipped_starts"] == [{"job": "sync", "at": "2099-01-01T02:30:00+01:00"}]

    def test_simulate_says_which_jobs_are_paused(self, simulate: Cli) -> None:
        out = simulate("--from", "2099-01-01", "--starts", "--job", "backup").table
        assert "paused  backup  is paused until 2099-01-02T00:00:00+01:00 (note: new disk); simulate it without" in out
        assert "sync" not in out

    def test_simulate_leaves_them_out_on_request_or_in_the_past(self, simulate: Cli) -> None:
        for arguments in (["--from", "2099-01-01", "--no-pauses"], ["--from", "2026-10-20"]):
            said = simulate(*arguments, "--json").json
            assert [run["job"] for run in said["runs"]].count("backup") == 1
            assert (said["paused"], said["skipped_starts"]) == ([], [])

    def test_simulate_goes_on_when_the_store_cannot_be_read(self, simulate: Cli, tmp_path: Path) -> None:
        for path in (tmp_path / "state").iterdir():
            path.write_bytes(b"no database")
        said = simulate("--from", "2099-01-01", "--starts")
        assert "backup" in said.table
        assert "rae-auto: pauses and skipped starts are unknown: " in said.err


def test_busy_moment_names_some_jobs_and_counts_the_others(simulate: Cli, config: Path) -> None:
    config.write_text("".join(f'[jobs.j{number:02}]\ncommand = ["x"]\nschedule = "0 3 * * *"\n' for number in range(8)))
    said = simulate("--from", "2026-11-01", "--durations", "j00=40m").out
    assert "8 at once: j00, j01, j02, j03, j04 and 3 more" in " ".join(said.split())


def test_result_of_a_guard_says_where_it_was_given(simulate: Cli, config: Path, tmp_path: Path) -> None:
    config.write_text('[jobs.a]\ncommand = ["x"]\nschedule = "0 3 * * *"\nguards = [{ type = "power" }]\n')
    said = simulate("--from", "2026-11-01", "--guard", "power=no").out
    assert 'its guard "power" says no: as given with --guard' in said
    script = tmp_path / "script.jsonl"
    script.write_text('{"at": "2026-11-01T00:00", "guard": "power", "verdict": "no"}\n')
    said = simulate("--from", "2026-11-01", "--events", str(script)).out
    assert 'its guard "power" says no: as given with --events' in said
