"""The states of a run in which the time campaign changes the clocks: how to get there, and what is to come of it."""

from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import field, frozen

from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef
from rae_auto.model.policies import RetryPolicy
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Run, RunState
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.simulation.virtual_engine import VirtualWorld

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
RESULT_LAG = 2 * SECOND
"""Time around a promised moment in which it may come."""

_FACTORY = PluginFactory(Registry(), "Europe/Berlin")


def _scheduled(name: str, cron: str, catch_up: str) -> Plan:
    job = Job(id=name, command="work", schedule=cron, catch_up=catch_up, overlap="allow", overlap_max=200)
    return _FACTORY.plan(job, JobOrigin.CONFIG).plan


BEATS = (
    _scheduled("hourly-latest", "0 * * * *", "latest"),
    _scheduled("half-hourly-all", "*/30 * * * *", "all"),
    _scheduled("daily-none", "30 2 * * *", "none"),
    _scheduled("daily-latest", "30 2 * * *", "latest"),
)
"""Jobs that come round in every world, in a zone that changes its clocks twice a year."""


@frozen(kw_only=True)
class Expectation:
    """A run in some state, and what is to come of it: by itself after the time that is `left`, or when it is let go."""

    run: RunId
    left: timedelta | None = None
    max_duration: timedelta = timedelta(0)
    """The whole time, of which it may take as much after a reboot, when no clock tells what is left."""
    happened: Callable[[], bool]
    counts_sleep: bool = True
    """The time that the machine sleeps counts."""
    let_go: Callable[[], object] = field(default=lambda: None)
    end: frozenset[RunState] = frozenset({RunState.SUCCEEDED})
    """The states in which the run may end, where no reboot comes between."""
    end_after_reboot: RunState | None = None
    """The state in which it ends at once because others were lost in a reboot."""


@frozen
class State:
    """A state of a run, by name."""

    name: str
    settings: Settings
    plans: tuple[Plan, ...]
    arrange: Callable[[VirtualWorld], Expectation]
    has_beats: bool = True

    def make_world(self, start: datetime) -> VirtualWorld:
        return VirtualWorld(*(BEATS if self.has_beats else ()), *self.plans, settings=self.settings, start=start)


STATES: list[State] = []


def _state(*jobs: Job | Plan, max_parallel: int = 500, resources: dict[str, int] | None = None):
    plans = tuple(job if isinstance(job, Plan) else Plan(job) for job in jobs)

    def register(arrange: Callable[[VirtualWorld], Expectation]) -> Callable[[VirtualWorld], Expectation]:
        name = arrange.__name__.removeprefix("_").replace("_", " ")
        settings = Settings(max_parallel, True, resources or {})
        STATES.append(State(name, settings, plans, arrange, has_beats=max_parallel > 1))
        return arrange

    return register


def _is_active(world: VirtualWorld, run: RunId) -> Callable[[], bool]:
    return lambda: run in world.active_starts


def _is_cancelled(world: VirtualWorld, run: RunId) -> Callable[[], bool]:
    return lambda: run in [cancel.run for cancel in world.cancelled]


def _is_over(world: VirtualWorld, run: RunId) -> Callable[[], bool]:
    return lambda: run in [over.id for over in world.history]


def _end_active(world: VirtualWorld, run: RunId) -> None:
    """End a run, unless it was lost in a reboot."""
    if run in world.active_starts:
        world.end(run)


def _latest_run(world: VirtualWorld, job: str) -> RunId:
    return world.engine.runs(job)[-1].run.id


def _job(name: str, **fields: object) -> Job:
    return Job(id=name, command="work", on_crash="fail", **fields)


@_state(_job("a"), _job("b"), _job("later", overlap="allow", overlap_max=9), max_parallel=1)
def _queued(world: VirtualWorld) -> Expectation:
    blocker, run = world.trigger("a"), world.trigger("b")

    def let_go() -> None:
        # Whatever came after the clock was changed stands behind it.
        world.trigger("later")
        _end_active(world, blocker)

    return Expectation(run=run, happened=_is_active(world, run), let_go=let_go)


@_state(_scheduled("a", "47 * * * *", "none"))
def _due(world: VirtualWorld) -> Expectation:
    world.advance(HOUR)
    run = _latest_run(world, "a")
    return Expectation(run=run, happened=_is_active(world, run))


@_state(
    Plan(
        _job("a", catch_up="none", overlap="allow", overlap_max=9),
        _FACTORY.plan(
            Job(id="a", command="work", schedule=[{"type": "cron", "expression": "47 * * * *", "jitter": "40m"}]),
            JobOrigin.CONFIG,
        ).plan.schedules,
    )
)
def _delayed_by_jitter(world: VirtualWorld) -> Expectation:
    def left_of(run: Run) -> timedelta:
        return (run.not_before or world.now.wall) - world.now.wall

    while not (delayed := [e.run for e in world.engine.runs("a") if left_of(e.run) > 5 * MINUTE]):
        world.advance(MINUTE)
    run = delayed[0]
    left = left_of(run)
    return Expectation(run=run.id, left=left, max_duration=40 * MINUTE, happened=_is_active(world, run.id))


@_state(_job("a", retry_policy=RetryPolicy(attempts=2, delay="5m", jitter=0)))
def _retrying(world: VirtualWorld) -> Expectation:
    run = world.trigger("a")
    world.fail(run)
    world.advance(90 * SECOND)
    return Expectation(run=run, left=210 * SECOND, max_duration=5 * MINUTE, happened=_is_active(world, run))


@_state(_job("a"), _job("b", needs=["a"]))
def _waiting_for_a_needed_job(world: VirtualWorld) -> Expectation:
    needed, run = world.trigger("a"), world.trigger("b")
    return Expectation(
        run=run,
        happened=_is_active(world, run),
        let_go=lambda: _end_active(world, needed),
        end_after_reboot=RunState.SKIPPED,
    )


@_state(_job("a", overlap="queue"))
def _waiting_for_its_own_job(world: VirtualWorld) -> Expectation:
    first, run = world.trigger("a"), world.trigger("a")
    return Expectation(run=run, happened=_is_active(world, run), let_go=lambda: _end_active(world, first))


@_state(_job("a", resources={"db": 1}), _job("b", resources={"db": 1}), resources={"db": 1})
def _waiting_for_a_resource(world: VirtualWorld) -> Expectation:
    user, run = world.trigger("a"), world.trigger("b")
    return Expectation(run=run, happened=_is_active(world, run), let_go=lambda: _end_active(world, user))


@_state(_job("a"))
def _paused(world: VirtualWorld) -> Expectation:
    world.pause("a")
    world.fire("a", "source", "event")
    run = _latest_run(world, "a")
    return Expectation(run=run, happened=_is_active(world, run), let_go=lambda: world.resume("a"))


_GUARDED = Plan(
    Job(id="a", command="work", on_crash="fail", guards=[GuardRef("power", {}, "power")], guard_timeout="10m"),
    guards={"power": None},
)


@_state(_GUARDED)
def _waiting_for_a_guard(world: VirtualWorld) -> Expectation:
    world.answer_guard = lambda _, __: GuardResult(Verdict.NO, "on battery")
    world.fire("a", "source", "event")
    run = _latest_run(world, "a")
    world.advance(4 * MINUTE)
    return Expectation(
        run=run,
        left=6 * MINUTE,
        max_duration=10 * MINUTE,
        happened=_is_over(world, run),
        end=frozenset({RunState.SKIPPED}),
    )


@_state(_GUARDED)
def _asking_a_guard(world: VirtualWorld) -> Expectation:
    world.guards_hang = True
    world.fire("a", "source", "event")
    run = _latest_run(world, "a")

    def let_go() -> None:
        world.guards_hang = False
        world.answer_guards()

    return Expectation(run=run, happened=_is_active(world, run), let_go=let_go)


@_state(_job("a", timeout="10m"))
def _starting(world: VirtualWorld) -> Expectation:
    run = world.trigger("a")
    world.advance(4 * MINUTE)
    ends = frozenset({RunState.TIMED_OUT})
    return Expectation(run=run, left=6 * MINUTE, happened=_is_cancelled(world, run), counts_sleep=False, end=ends)


@_state(_job("a", timeout="10m"))
def _running(world: VirtualWorld) -> Expectation:
    run = world.trigger("a")
    world.confirm(run)
    world.advance(4 * MINUTE)
    ends = frozenset({RunState.TIMED_OUT})
    return Expectation(run=run, left=6 * MINUTE, happened=_is_cancelled(world, run), counts_sleep=False, end=ends)


@_state(_job("a", timeout="10m", retry_policy=RetryPolicy(attempts=2, delay="1s", jitter=0)))
def _running_a_second_attempt(world: VirtualWorld) -> Expectation:
    run = world.trigger("a")
    world.advance(MINUTE)
    world.fail(run)
    world.advance(SECOND)
    world.confirm(run)
    world.advance(4 * MINUTE)
    ends = frozenset({RunState.TIMED_OUT})
    return Expectation(run=run, left=6 * MINUTE, happened=_is_cancelled(world, run), counts_sleep=False, end=ends)


@_state(_job("a"))
def _being_cancelled(world: VirtualWorld) -> Expectation:
    run = world.trigger("a")
    world.confirm(run)
    world.cancel(job="a")
    return Expectation(run=run, happened=_is_cancelled(world, run), end=frozenset({RunState.CANCELLED}))


@_state(_job("a", timeout="1m", retry_policy=RetryPolicy(attempts=3, delay="1s", on=["failure"])))
def _being_timed_out(world: VirtualWorld) -> Expectation:
    run = world.trigger("a")
    world.confirm(run)
    world.advance(MINUTE)
    return Expectation(run=run, happened=_is_cancelled(world, run), end=frozenset({RunState.TIMED_OUT}))
