"""Sources in a simulation: patterns are played, the rest is told by a script, and guards say what they are told to."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from attrs import field, frozen
from tests.support.forecasting import MIDNIGHT, at, job

from rae_auto.api import (
    Event,
    Firing,
    PatternTrigger,
    ScheduleTrigger,
    SourceTrigger,
    StepResult,
    Trigger,
    TriggerContext,
)
from rae_auto.engine.plan import Plan, Settings
from rae_auto.model.decision import Occurrence
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.job import Job
from rae_auto.model.job_state import Span
from rae_auto.model.plugin_ref import GuardRef
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons import GuardBlocked
from rae_auto.model.run import RunState
from rae_auto.simulation.forecast import Forecast, Scenario, simulate
from rae_auto.simulation.script import Script, ScriptedGuardResult
from rae_auto.simulation.script_files import read_script


@frozen
class Third(PatternTrigger):
    """Fires at each third event, and after an hour without one."""

    type: ClassVar[str] = "third"
    of: tuple[str, ...] = ("coffee",)
    inner: Mapping[str, Trigger] = field(factory=dict)

    def event_names(self) -> tuple[str, ...]:
        return self.of

    def parts(self) -> Mapping[str, Trigger]:
        return self.inner

    def begin(self, now: datetime) -> StepResult:
        return StepResult({"heard": 0}, (), now + timedelta(hours=1))

    def step(self, state: Mapping[str, Any], event: Event | None, now: datetime) -> StepResult:
        later = now + timedelta(hours=1)
        if event is None:
            return StepResult(state, (Firing(f"silence-{now.isoformat()}", now, {"silence": True}),), later)
        count = state["heard"] + 1
        fired = (Firing(event.id, event.at, {"of": event.name}),) if count % 3 == 0 else ()
        return StepResult({"heard": count}, fired, later)


@frozen
class Quarterly(ScheduleTrigger):
    """Each quarter of an hour."""

    type: ClassVar[str] = "quarterly"

    def next_after(self, instant: datetime) -> datetime:
        return datetime.fromtimestamp((int(instant.timestamp()) // 900 + 1) * 900, MIDNIGHT.tzinfo)


@frozen
class ScriptedWorld(SourceTrigger):
    """Watches the world."""

    type: ClassVar[str] = "world"

    async def watch(self, context: TriggerContext) -> None:
        raise NotImplementedError


def coffee(clock: str) -> Event:
    return Event(f"coffee-{clock}", "coffee", at(clock))


def run_forecast(*plans: Plan, sources: Any = None, minutes: float = 60, down: Any = (), **script: Any) -> Forecast:
    named = {(JobId("a"), name): source for name, source in (sources or {}).items()}
    guards = tuple((plan.job.id, name) for plan in plans for name, guard in plan.guards.items() if guard is None)
    return simulate(
        Scenario(
            plans=plans or (job("a"),),
            settings=Settings(),
            start=MIDNIGHT,
            end=MIDNIGHT + timedelta(minutes=minutes),
            sources=named,
            guards=guards,
            downtimes=tuple(Span(at(since), at(until)) for since, until in down),
            script=Script(**script),
        )
    )


def starts(forecast: Forecast, name: str = "a") -> list[str]:
    runs = (seen.run for seen in forecast.runs if seen.run.job == name)
    return [f"{run.started_at:%H:%M} {run.trigger}" for run in runs if run.started_at is not None]


def test_a_pattern_is_played_over_recorded_events():
    events = tuple(coffee(f"00:{minute:02}") for minute in (1, 2, 3, 10, 20, 30, 40))
    forecast = run_forecast(sources={"third": Third()}, events=events)
    assert starts(forecast) == ["00:03 third", "00:30 third"]
    assert forecast.runs[0].run.event == {"of": "coffee"}


def test_a_pattern_fires_by_time_alone():
    assert starts(run_forecast(sources={"third": Third()}, minutes=150)) == ["01:00 third", "02:00 third"]


def test_earlier_events_are_known_and_fire_nothing():
    before = Event("early", "coffee", MIDNIGHT - timedelta(minutes=10))
    earlier = Event("earlier", "coffee", MIDNIGHT - timedelta(minutes=20))
    forecast = run_forecast(sources={"third": Third()}, events=(earlier, before, coffee("00:05")))
    assert starts(forecast) == ["00:05 third"]


def test_ends_of_simulated_runs_trigger_other_jobs():
    forecast = run_forecast(job("a"), job("b", 10), sources={"third": Third(of=("run.succeeded",))})
    # b ends ten seconds after each start; a's own ends count too, because it gets all of them.
    assert starts(forecast)[0] == "00:20 third"


def test_parts_are_computed_played_and_listed():
    inner = {"time": Quarterly(), "pattern": Third(), "world": ScriptedWorld()}
    events = tuple(coffee(clock) for clock in ("00:01", "00:02", "00:03"))
    seen = Occurrence(JobId("a"), "both.world", "k", at("00:04"), {"x": 1})
    forecast = run_forecast(sources={"both": Third(of=(), inner=inner)}, minutes=46, events=events, occurrences=(seen,))
    # Events: the time at 00:00, 00:15, 00:30 and 00:45, the pattern at 00:03, the world at 00:04.
    assert starts(forecast) == ["00:04 both", "00:45 both"]
    assert forecast.unplayed == ()


def test_source_without_script_is_listed():
    both = Third(of=(), inner={"world": ScriptedWorld(), "deeper": Third(of=(), inner={"world": ScriptedWorld()})})
    occurrence = Occurrence(JobId("a"), "seen", "k", at("00:10"), {"paths": ["/x"]})
    sources = {"seen": ScriptedWorld(), "unseen": ScriptedWorld(), "both": both}
    forecast = run_forecast(sources=sources, occurrences=(occurrence,), minutes=50)
    assert starts(forecast) == ["00:10 seen"]
    assert forecast.runs[0].run.event == {"paths": ["/x"]}
    assert forecast.unplayed == (("a", "both.deeper.world"), ("a", "both.world"), ("a", "unseen"))


def test_script_reaches_a_nested_part():
    both = Third(of=(), inner={"deeper": Third(of=(), inner={"world": ScriptedWorld()})})
    times = [f"00:0{number}" for number in range(1, 10)]
    script = tuple(Occurrence(JobId("a"), "both.deeper.world", time, at(time)) for time in times)
    assert starts(run_forecast(sources={"both": both}, occurrences=script, minutes=50)) == ["00:09 both"]


@pytest.mark.parametrize("trigger", ["gone", "third.gone", "both.time"])
def test_script_of_an_unknown_or_computed_trigger_is_ignored(trigger):
    script = tuple(Occurrence(JobId("a"), trigger, str(number), at("00:01")) for number in range(9))
    both = Third(of=(), inner={"time": Quarterly()})
    forecast = run_forecast(sources={"third": Third(), "both": both}, occurrences=script, minutes=14)
    assert starts(forecast) == []


def test_downtime_hides_events_from_patterns():
    events = tuple(coffee(f"00:{minute:02}") for minute in (1, 2, 15, 31))
    forecast = run_forecast(sources={"third": Third()}, events=events, down=[("00:10", "00:20")], minutes=40)
    # What is missed is told to the pattern as a gap, which this one counts as well.
    assert starts(forecast) == ["00:20 third"]


def test_schedule_in_a_pattern_fires_late_after_downtime():
    both = Third(of=(), inner={"time": Quarterly()})
    forecast = run_forecast(sources={"both": both}, down=[("00:10", "00:50")], minutes=55)
    assert starts(forecast) == ["00:50 both"]


def guarded(**fields: Any) -> Plan:
    plan = job("a", 10, **fields, guards=[GuardRef("x", {}, "power")])
    return Plan(plan.job, plan.schedules, guards={"power": None})


def test_guard_answers_as_scripted():
    no = GuardResult(Verdict.NO, "on battery")
    forecast = run_forecast(guarded(), guards=(ScriptedGuardResult(at("00:15"), None, "power", no),), minutes=40)
    assert starts(forecast) == ["00:00 t", "00:10 t"]
    assert {seen.run.reason for seen in forecast.runs if seen.run.state is RunState.SKIPPED} == {
        GuardBlocked("power", Verdict.NO, "on battery")
    }
    assert forecast.taken_for_yes == ()


def test_guard_without_script_is_taken_for_yes_and_listed():
    forecast = run_forecast(guarded(), minutes=15)
    assert starts(forecast) == ["00:00 t", "00:10 t"]
    assert forecast.taken_for_yes == (("a", "power"),)


def test_a_guard_of_one_job_goes_before_one_of_that_name():
    yes, no = GuardResult(Verdict.YES, "x"), GuardResult(Verdict.NO, "x")
    turns = (ScriptedGuardResult(MIDNIGHT, None, "power", no), ScriptedGuardResult(MIDNIGHT, JobId("a"), "power", yes))
    assert starts(run_forecast(guarded(), guards=turns, minutes=5)) == ["00:00 t"]


def test_blocked_run_starts_when_its_scripted_guard_says_yes():
    turns = (
        ScriptedGuardResult(MIDNIGHT, None, "power", GuardResult(Verdict.NO, "on battery")),
        ScriptedGuardResult(at("00:05"), None, "power", GuardResult(Verdict.YES, "on mains")),
    )
    forecast = run_forecast(guarded(guard_timeout="1h"), guards=turns, minutes=9)
    (seen,) = forecast.runs
    assert seen.run.started_at is not None
    assert at("00:05") <= seen.run.started_at <= at("00:05") + timedelta(seconds=15)
    assert seen.wait is not None
    assert isinstance(seen.wait, GuardBlocked)


# Files


GOOD = """
{"at": "2026-03-02T00:05:00+00:00", "name": "coffee", "data": {"sugar": 2}}

{"at": "2026-03-02T00:01:00+00:00", "job": "a", "trigger": "inbox", "event": {"paths": []}}
{"at": "2026-03-02T00:02:00+00:00", "guard": "power", "verdict": "no", "reason": "on battery"}
{"at": "2026-03-02T00:03:00+00:00", "job": "a", "guard": "idle", "verdict": "unknown"}
{"at": "2026-03-02T00:04:00+00:00", "name": "coffee", "id": "mine"}
"""


def test_a_script_is_read_in_the_order_of_time():
    script = read_script(GOOD, "world.jsonl", datetime.fromisoformat)
    assert [(event.id, event.name) for event in script.events] == [("mine", "coffee"), ("line-2", "coffee")]
    assert script.occurrences == (Occurrence(JobId("a"), "inbox", "line-4", at("00:01"), {"paths": []}),)
    assert [(turn.job, turn.guard, turn.result.verdict) for turn in script.guards] == [
        (None, "power", Verdict.NO),
        ("a", "idle", Verdict.UNKNOWN),
    ]


def test_an_array_is_read_as_lines_are():
    text = '[{"at": "2026-03-02T00:05:00+00:00", "name": "coffee"}]'
    assert read_script(text, "x", datetime.fromisoformat).events == (Event("line-1", "coffee", at("00:05")),)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "is not a line of JSON"),
        ("7", "must be an object"),
        ('{"at": "2026-03-02T00:05:00+00:00"}', 'must have "name"'),
        ('{"at": "2026-03-02T00:05:00+00:00", "name": "x", "dta": {}}', "unknown key 'dta'; did you mean \"data\""),
        ('{"at": "yesterday", "name": "x"}', "Invalid isoformat"),
        ('{"name": "x"}', '"at" must be text'),
        ('{"at": "2026-03-02T00:05:00", "name": "x"}', "has no offset"),
        ('{"at": "2026-03-02T00:05:00+00:00", "name": "x", "data": []}', None),
        ('{"at": "2026-03-02T00:05:00+00:00", "name": "x", "data": [1]}', '"data" must be an object'),
        ('{"at": "2026-03-02T00:05:00+00:00", "guard": "x", "verdict": "maybe"}', 'unknown verdict "maybe"'),
    ],
)
def test_a_bad_line_is_named(line, what):
    if what is None:
        read_script(line, "x", datetime.fromisoformat)
        return
    with pytest.raises(ValueError, match=what) as caught:
        read_script("\n" + line, "x", datetime.fromisoformat)
    assert str(caught.value).startswith("x:2: ")


def test_an_array_that_is_none_is_named():
    with pytest.raises(ValueError, match="x: is not valid JSON"):
        read_script("[{", "x", datetime.fromisoformat)


def test_a_plan_without_sources_is_as_before():
    assert starts(run_forecast(Plan(Job(id=JobId("a"), command="work")))) == []
