"""The page of a run: its life from the due instant to its verified end, and how it differs from the last good run."""

from asyncio import gather
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from attrs import frozen

from rae_auto.errors import JobNotFound
from rae_auto.model.figures.durations import EXAMINED_RUNS, UsualDuration
from rae_auto.model.primitives.formatting import format_bytes, format_elapsed
from rae_auto.model.reasons import Due, RetryDelayed
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Attempt, Result, Run, RunState
from rae_auto.views.explanations import list_further_facts
from rae_auto.views.runs import shown_state
from rae_auto.views.screens.output_page import PART_BYTES, OutputPage, build_output_page
from rae_auto.views.screens.parts.base import Action, Fact, ScreenBase, local_times
from rae_auto.views.screens.parts.durations import usual_duration
from rae_auto.views.screens.parts.record_source import JobFacts, RecordSource, WorldSpan
from rae_auto.views.screens.parts.run_command import (
    RunDifference,
    find_command_differences,
    find_run_command,
)

NOTABLE_CHANGE = 1.5
"""The factor by which a duration or a memory must differ to be among the differences."""


@frozen(kw_only=True)
class RunPhase:
    """A span in the life of a run, or an instant where `until` equals `since`.

    `kind` is "due", "late", "waiting", "attempt", "signal", "exited", "gone", "left", "retry_delay", "stopping" or
    "ended"; "unknown" is the span in which a lost attempt ended, or may have ended while no daemon looks after it.
    Beside these "down" and "suspended" are spans without a daemon, or without a machine that runs, and "adopted" is
    when a new daemon took the run over.
    """

    kind: str
    since: datetime
    until: datetime | None
    """None while the phase goes on."""
    text: str
    state: str | None = None
    """The state in which an attempt ended; None for other phases."""


@frozen(kw_only=True)
class AttemptRow:
    """An attempt of a run, or the one that goes on."""

    number: int
    state: str
    started_at: datetime
    finished_at: datetime | None
    duration: timedelta | None
    exit_code: int | None = None
    signal: int | None = None
    text: str = ""
    """Its end in words."""
    cpu_time: timedelta | None = None
    max_memory: int | None = None
    """Bytes. The kernel counts from the process that starts a command on, so it is at least that one's, some 12 MB."""
    gone_at: datetime | None = None
    """When the last of its processes was verified to be gone; None where that isn't known, or not so."""


@frozen(kw_only=True)
class RunPage(ScreenBase):
    """The page of a run."""

    now: datetime
    zone: str
    run_id: str
    job: str
    """The id that the job had then."""
    job_now: str
    """The id that it has now; the same, unless it was renamed."""
    state: str
    """Its state; "was_running" for one that was active when a daemon was last there."""
    trigger: str
    cause: str
    """Why it was started, as a clause."""
    why: str
    """Why it is in its state, as a sentence."""
    reason: str | None
    """The code of the reason of its end, which `rae-auto explain` explains; None if there is none."""
    due_at: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration: timedelta | None
    """None also if an attempt was lost, so that it isn't known."""
    at_least: timedelta | None
    """For how long the attempts of a run that is over were known to be alive, if one was lost; else None."""
    lateness: timedelta | None
    exit_code: int | None
    phases: tuple[RunPhase, ...]
    attempts: tuple[AttemptRow, ...]
    argv: tuple[str, ...]
    """The command as it was defined when the run was decided, with arguments given by hand; empty if unknown."""
    working_directory: str | None
    variables: tuple[str, ...]
    """Names of the variables that the definition sets or passes on, and of those given by hand."""
    other_parts: tuple[str, ...]
    """The parts ("command", "directory", "variables") that were others then: they are not kept, so they are empty."""
    is_forgotten: bool
    """True if the run is older than the changes that are kept, so that these parts may have been others."""
    defined_until: datetime | None
    """When the job got another command, directory or variables; None while this is its definition."""
    doubted_since: datetime | None
    """When the configuration was saved, if the command may have been another: a later daemon found it changed."""
    resources: Mapping[str, int]
    event: Mapping[str, Any] | None
    facts: tuple[Fact, ...]
    """All facts behind the decision, as `why` lists them."""
    usual: UsualDuration | None
    last_good: str | None
    """The id of the successful run before this one."""
    differences: tuple[RunDifference, ...]
    output: OutputPage | None
    """The end of the output of the latest attempt; None if there is none."""
    actions: tuple[Action, ...]


async def load_run_page(source: RecordSource, run: str) -> RunPage:
    """Read what the page of a run shows, and build it. Errors: RunNotFound."""
    found, seen_until = await gather(source.run(run), source.seen_until())
    why, good, job, world, output = await gather(
        source.why(found.job, run=found.id),
        source.runs(found.job, states=(RunState.SUCCEEDED,), until=found.queued_at, limit=EXAMINED_RUNS + 1),
        _find_job(source, found.job),
        source.world(min(found.scheduled_for, found.queued_at), source.now()),
        _load_output(source, found, seen_until),
    )
    return build_run_page(
        found,
        job,
        why=why,
        good=[one for one in good if one.id != found.id],
        output=output,
        world=world,
        now=source.now(),
        zone=source.zone.key,
        seen_until=seen_until,
    )


async def _load_output(source: RecordSource, run: Run, seen_until: datetime | None) -> OutputPage | None:
    if not run.attempt:
        return None
    part = await source.output(run, run.attempt, start=-PART_BYTES, limit=PART_BYTES)
    return build_output_page(run, run.attempt, part, seen_until)


async def _find_job(source: RecordSource, job: str) -> JobFacts | None:
    try:
        return await source.job(job)
    except JobNotFound:
        return None


def build_run_page(
    run: Run,
    job: JobFacts | None,
    *,
    why: Mapping[str, Any],
    good: Sequence[Run],
    output: OutputPage | None,
    now: datetime,
    zone: str,
    world: Sequence[WorldSpan] = (),
    seen_until: datetime | None = None,
) -> RunPage:
    """Return the page of a run; `job` is None if it was removed, `good` are successful runs before it, newest first.

    `world` has the downtimes in its life and since. A daemon saw it last at `seen_until`, None if one does now.
    """
    command, time = find_run_command(run, job, world), local_times(zone, now)
    late = None if run.started_at is None else max(run.started_at - run.scheduled_for, timedelta(0))
    return RunPage(
        now=now,
        zone=zone,
        run_id=run.id,
        job=run.job,
        job_now=run.job if job is None else job.definition.id,
        state=shown_state(run.state.value, seen_until),
        trigger=run.trigger,
        cause=run.cause.text,
        why=why["answer"],
        reason=None if run.reason is None else run.reason.code,
        due_at=run.scheduled_for,
        queued_at=run.queued_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        duration=run.duration,
        at_least=_least_duration(run),
        lateness=late,
        exit_code=run.exit_code,
        phases=tuple(add_absences(list_phases(run, time, _waits_of(why), seen_until), run, world, now)),
        attempts=tuple(_attempt_rows(run, time, seen_until)),
        argv=(*command.argv, *run.inputs.args) if command.argv else (),
        working_directory=command.directory,
        variables=tuple(dict.fromkeys((*command.variables, *run.inputs.env))),
        other_parts=command.others,
        is_forgotten=command.is_forgotten,
        defined_until=command.defined_until,
        doubted_since=command.doubted_since,
        resources=dict(run.conditions.resources),
        event=run.event,
        facts=tuple(Fact(subject, text) for subject, text in list_further_facts(why)),
        usual=usual_duration(good[:EXAMINED_RUNS]),
        last_good=good[0].id if good else None,
        differences=tuple(find_differences(run, good[0], job, time)) if good else (),
        output=output,
        actions=tuple(_actions(run, run.job if job is None else job.definition.id)),
    )


def _least_duration(run: Run) -> timedelta | None:
    if run.finished_at is None or all(attempt.is_end_known for attempt in run.attempts):
        return None
    return sum(map(run.known_time_of, run.attempts), timedelta(0))


def _waits_of(why: Mapping[str, Any]) -> str:
    """Return what a run waits for now, which is in its record only once the wait is over."""
    return next((fact["text"] for fact in why["facts"] if fact["subject"] == "waited"), "")


def list_phases(
    run: Run, time: TimeFormat, waits_for: str = "", seen_until: datetime | None = None
) -> Iterator[RunPhase]:
    """Yield the phases of a run's life in order of time; together they cover it without gaps.

    `waits_for` is what it waits for now, if it waits and its record doesn't say for what. A daemon saw an active run
    last at `seen_until`, None if one does now.
    """
    due = f"due at {time(run.scheduled_for)}" if isinstance(run.cause, Due) else run.cause.describe(time)
    yield RunPhase(kind="due", since=run.scheduled_for, until=run.scheduled_for, text=due)
    if run.queued_at > run.scheduled_for:
        yield RunPhase(kind="late", since=run.scheduled_for, until=run.queued_at, text="until it was decided")
    attempts = list(run.attempts)
    first = attempts[0].started_at if attempts else run.attempt_started_at or run.finished_at
    if first is None or first > run.queued_at:
        text = _blocks_of(run, time) or waits_for or _TO_START
        yield RunPhase(kind="waiting", since=run.queued_at, until=first, text=text)
    previous = None
    for attempt in attempts:
        if previous is not None:
            yield from _waits_between(previous, attempt.started_at, attempt.number, run, time)
        text = f"attempt {attempt.number}: {attempt.end_text}"
        yield RunPhase(
            kind="attempt",
            since=attempt.started_at,
            until=attempt.known_until,
            text=text,
            state=attempt.state.value,
        )
        if not attempt.is_end_known and attempt.known_until < attempt.finished_at:
            since, until = attempt.known_until, attempt.finished_at
            yield RunPhase(kind="unknown", since=since, until=until, text="it ended at an unknown time in this span")
        yield from _end_phases(attempt)
        previous = attempt
    if run.state.active and run.attempt_started_at is not None:
        if previous is not None:
            yield from _waits_between(previous, run.attempt_started_at, run.attempt, run, time)
        kind = "attempt" if run.stopping is None else "stopping"
        last_seen = None if seen_until is None else max(seen_until, run.attempt_started_at)
        verb = shown_state(run.state.value, seen_until).replace("_", " ")
        if run.stopping is not None:
            verb = f"{'is' if last_seen is None else 'was'} being ended ({run.stopping.state.text})"
        yield RunPhase(kind=kind, since=run.attempt_started_at, until=last_seen, text=f"attempt {run.attempt}: {verb}")
        if last_seen is not None:
            yield RunPhase(kind="unknown", since=last_seen, until=None, text="no daemon has seen it since then")
    elif run.state is RunState.RETRYING and previous is not None:
        yield RunPhase(
            kind="retry_delay", since=previous.finished_at, until=None, text=f"until attempt {run.attempt + 1}"
        )
    if run.finished_at is not None:
        reason = run.describe_reason(time)
        text = f"{run.state.text}: {reason}" if reason else run.state.text
        yield RunPhase(kind="ended", since=run.finished_at, until=run.finished_at, text=text)


def add_absences(phases: Iterable[RunPhase], run: Run, world: Iterable[WorldSpan], now: datetime) -> Iterator[RunPhase]:
    """Yield the phases of a run with the spans in which no daemon watched over it, and when one took it over again."""
    found = list(phases)
    begin, end = found[0].since, run.finished_at or now
    # A daemon notes its start some moments after its first decisions, but one that decides is there.
    returns = [at for at in (run.queued_at, run.adopted_at) if at is not None]
    for span in world:
        until = min([span.until, end, *(at for at in returns if span.since < at)])
        if span.kind in _ABSENCES and max(span.since, begin) < until:
            found.append(RunPhase(kind=span.kind, since=max(span.since, begin), until=until, text=span.text))
    if run.adopted_at is not None:
        found.append(
            RunPhase(kind="adopted", since=run.adopted_at, until=run.adopted_at, text="a new daemon took it over")
        )
    # In the order in which they begin; those that are about the run itself before those that are about the world.
    yield from sorted(found, key=lambda phase: (phase.since, phase.kind in _ABSENCES))


_ABSENCES = ("down", "suspended")


def _end_phases(attempt: Attempt) -> Iterator[RunPhase]:
    """Yield how the processes of an attempt ended, in order of time; nothing where that isn't known."""
    if attempt.result is None:
        return
    gone_at, exited_at = attempt.gone_at, attempt.exited_at
    instants = [
        (attempt.end_requested_at, "signal", "its processes were asked to end"),
        (attempt.killed_at, "signal", "what was left of them was killed"),
    ]
    if exited_at is not None and exited_at < attempt.finished_at:
        instants.append((exited_at, "exited", "its main process ended"))
    # Where two come at the same time, in the order of cause and effect.
    known = [(at, kind, text) for at, kind, text in instants if at is not None]
    for at, kind, text in sorted(known, key=itemgetter(0)):
        yield RunPhase(kind=kind, since=at, until=at, text=text)
    end = attempt.finished_at
    if gone_at is None:
        yield RunPhase(kind="left", since=end, until=end, text="not verified: some of it may still run")
    elif exited_at == gone_at:
        yield RunPhase(kind="gone", since=gone_at, until=gone_at, text="verified gone, with its end")
    else:
        after = "" if exited_at is None else f", {format_elapsed(gone_at - exited_at)} after its main process"
        yield RunPhase(kind="gone", since=gone_at, until=gone_at, text=f"verified gone{after}")


_TO_START = "waiting to start"


def _blocks_of(run: Run, time: TimeFormat) -> str:
    """Return what the run waited for, but for the delays before its retries, which are phases of their own."""
    blocks = [reason for reason in run.waited_for if not isinstance(reason, RetryDelayed)]
    return "; ".join(
        dict.fromkeys(block.describe(time) if block == run.reason else block.describe_past(time) for block in blocks)
    )


def _waits_between(
    previous: Attempt, started_at: datetime, number: int, run: Run, time: TimeFormat
) -> Iterator[RunPhase]:
    """Yield the delay before an attempt, and what it waited for after that."""
    ended_at, delayed_until = previous.finished_at, previous.delay_until(started_at)
    if delayed_until > ended_at:
        yield RunPhase(kind="retry_delay", since=ended_at, until=delayed_until, text=f"until attempt {number}")
    if started_at > delayed_until:
        text = _blocks_of(run, time) or _TO_START
        yield RunPhase(kind="waiting", since=delayed_until, until=started_at, text=text)


def find_differences(
    run: Run, good: Run, job: JobFacts | None = None, time: TimeFormat = str
) -> Iterator[RunDifference]:
    """Yield the differences from an earlier run that succeeded."""
    if run.state is not good.state and run.state.final:
        yield RunDifference(subject="end", then=good.state.text, now=run.state.text)
    if run.exit_code != good.exit_code and run.state.final:
        yield RunDifference(subject="exit code", then=_text(good.exit_code), now=_text(run.exit_code))
    if run.duration is not None and good.duration is not None and _differs(run.duration, good.duration):
        yield RunDifference(subject="duration", then=format_elapsed(good.duration), now=format_elapsed(run.duration))
    then, now = _memory(good), _memory(run)
    if then and now and _differs(timedelta(seconds=then), timedelta(seconds=now)):
        yield RunDifference(subject="memory", then=format_bytes(then), now=format_bytes(now))
    for subject in ("trigger", "attempt"):
        if getattr(run, subject) != getattr(good, subject):
            yield RunDifference(subject=subject, then=_text(getattr(good, subject)), now=_text(getattr(run, subject)))
    yield from find_command_differences(good, run, job, time)
    if run.inputs != good.inputs:
        names = (", ".join((*one.inputs.env, *one.inputs.args)) or "nothing" for one in (good, run))
        yield RunDifference(subject="given by hand", then=next(names), now=next(names))


def _differs(one: timedelta, other: timedelta) -> bool:
    low, high = sorted((one.total_seconds(), other.total_seconds()))
    return high - low >= 1 and high >= low * NOTABLE_CHANGE


def _memory(run: Run) -> int | None:
    return max((a.result.max_memory for a in run.attempts if a.result and a.result.max_memory), default=None)


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _attempt_rows(run: Run, time: TimeFormat, seen_until: datetime | None) -> Iterator[AttemptRow]:
    for attempt in run.attempts:
        yield _attempt_row(run, attempt, time)
    if run.state.active and run.attempt_started_at is not None:
        yield AttemptRow(
            number=run.attempt,
            state=shown_state(run.state.value, seen_until),
            started_at=run.attempt_started_at,
            finished_at=None,
            duration=None,
        )


def _attempt_row(run: Run, attempt: Attempt, time: TimeFormat) -> AttemptRow:
    result = attempt.result or Result()
    return AttemptRow(
        number=attempt.number,
        state=attempt.state.value,
        started_at=attempt.started_at,
        finished_at=attempt.finished_at,
        duration=run.duration_of(attempt),
        exit_code=result.exit_code,
        signal=result.signal,
        text="; ".join(filter(None, (attempt.end_text, attempt.describe_unknown_end(time)))),
        cpu_time=result.cpu_time,
        max_memory=result.max_memory,
        gone_at=attempt.gone_at,
    )


def _actions(run: Run, job: str) -> Iterator[Action]:
    if not run.state.final:
        yield Action("cancel", run.id, "cancel", f"rae-auto cancel {run.id}")
    else:
        yield Action("run", job, "run again", f"rae-auto trigger {job}")
