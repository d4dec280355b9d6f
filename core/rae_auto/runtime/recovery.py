"""Recovery: what a start makes of the store, and of the attempts that were active when the last daemon ended.

Invariants, in the order in which they are established:

1. *One daemon.* The store is locked before anything is read, so no other daemon starts or ends anything meanwhile.
2. *Known state first.* The engine gets everything that is durable in one `Restored` event and decides nothing of it.
3. *Known fates second.* Executors are asked for every run that is `starting` or `running` in the store. Each is
   - adopted (`AttemptFound` with a handle): its process is alive and the same one (pid, start time, boot id),
   - finished (`AttemptEnded`): an exit record, written by the keeper and not by the daemon, says how it ended,
   - never started (`AttemptFound(started=False)`): the store holds the intent, but not the output file, which the
     process that starts the attempt creates exclusively; starting it now can't double it,
   - lost: neither of these can be proven; `on_crash` and the retry policy decide whether it runs again.
   The attempt of a job that is gone is found in the same way: it goes on, keeps its timeout, and its end is recorded.
4. *Schedules last.* Only then does the first `TimePassed` decide what fell due while no daemon ran. A run that is
   still alive so counts for overlap, resources and dependencies of everything that is caught up.

The race between "intent to start is durable" and "process exists" is closed by the output file: the keeper creates it
with O_EXCL before it spawns, and the next daemon creates it itself before it declares that the attempt never started.
The second to create it fails, so an attempt is spawned at most once, at whichever moment the daemon was killed.

A store may have gone back to an older state: it was repaired from a copy, or restored from a backup. Then nothing is
repeated. Each open run counts as started, and its executor is asked for the latest attempt of which there is a trace:
it is adopted or ends as the record says, and without a trace the run is lost. The same goes for attempts of runs that
the store doesn't know any more. What fell due since is given up, on record.

A document that can't be read costs its own job and nothing else: the job is paused durably, the bytes are kept in
`documents.corrupt-*.json` beside the store, and doctor, status and the log say which job and why.
"""

import asyncio
import contextlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from attrs import evolve, frozen
from loguru import logger

from rae_auto.api.store import Change, Delete, LogQuery, Put, Setback, Store
from rae_auto.engine.effects import Record, Save
from rae_auto.engine.events import Restored
from rae_auto.engine.lifecycle import job_of_terms, mark_uncertain
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.engine.time_passing import time_until_decided
from rae_auto.errors import InvalidJob, StoreError
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.notices.downtime import Downtime
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.evolving.slots import copying_tools
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.instants import Moment, parse_instant
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import AttemptError, Due
from rae_auto.model.run import Run, RunState
from rae_auto.paths import RESTORED_MARK, output_path
from rae_auto.records.last_record import instants_of_logs, instants_of_runs, instants_of_states, newest_of
from rae_auto.records.presence_log import find_downtime, note_record
from rae_auto.records.store_move import note_setback
from rae_auto.registry.factory import Planned, PluginFactory
from rae_auto.runtime.execution.executions import FIND_TIMEOUT_SECONDS, Executions
from rae_auto.runtime.execution.unknown_attempts import OUTPUTS, RECORDS, find_traces, lost_run, reopen_run
from rae_auto.runtime.repository import Repository, UnreadableDocument, encode
from rae_auto.runtime.time.clock import find_machine_boot
from rae_auto.toolkit.files import write_atomically

TAKE_OVER_FIND_SECONDS = 1.5
"""Seconds for which the first start after a take-over waits for executors to find this node's attempts."""

FILE_TIME_RESOLUTION = timedelta(seconds=2)
"""Time by which that of a file may be behind the clock: ticks of the kernel, and two seconds on FAT."""


@frozen
class Recovered:
    """State for the engine, the plans of all jobs, and a message for each job with a damaged document."""

    restored: Restored
    planned: tuple[Planned, ...]
    damaged_jobs: Mapping[JobId, str]
    unusable_jobs: Collection[JobId] = ()
    """Jobs of the store that can't be used, for instance because a plugin is gone."""
    replaced_jobs: Sequence[JobId] = ()
    """Jobs of the store whose names the configuration has too; those of the configuration take their places."""


async def read_store(
    archive: Repository,
    directory: Path,
    settings: Settings,
    configured: Sequence[Planned],
    factory: PluginFactory,
    now: Moment,
) -> Recovered:
    """Read the store, and join it with the jobs of the configuration. Raises InvalidJob, StoreError."""
    plans = [one.plan for one in configured]
    stored, corrupt_jobs = await archive.load(documents.JOB, Job)
    names = {plan.job.id for plan in plans}
    replaced = [job.id for job in stored if job.id in names]
    stored = tuple(job for job in stored if job.id not in names)
    # Before a commit, which removes the sign.
    setback = await archive.write(partial(find_setback, directory))
    states, bad_states = await archive.load(documents.STATE, JobState)
    runs, bad_runs = await archive.load(documents.RUN, Run)
    seen, bad_seen = await archive.load(documents.SEEN, SeenOccurrence)
    notices, bad_notices = await archive.load(documents.NOTICE, OutboxNotice)
    downtimes, bad_downtimes = await archive.load(documents.DOWNTIME, Downtime)
    added = [_plan_stored(job, factory) for job in stored]
    all_plans = [*plans, *(one.plan for one in added)]
    # Stands in for a job that can't be read: it can be seen, removed and replaced, and starts nothing.
    all_plans += [
        Plan(Job(id=JobId(item.key), command="damaged", enabled=False), origin=JobOrigin.STORE)
        for item in corrupt_jobs
        if item.key not in names
    ]
    unreadable = [*corrupt_jobs, *bad_states, *bad_runs, *bad_seen, *bad_notices, *bad_downtimes]
    damaged_jobs = {JobId(item.job): _damage_message(item, item.job) for item in unreadable if item.job is not None}
    known = {plan.job.id: plan.job for plan in all_plans}
    _share_ids(states, known)
    by_job = {state.job: state for state in states}
    for job_id in damaged_jobs:
        state = by_job.get(job_id, JobState(job_id))
        begin = state.paused_at if state.paused else now.wall
        by_job[job_id] = evolve(
            state, paused=True, paused_at=begin, paused_until=None, pause_note="its state is damaged"
        )
    if setback is not None:
        runs = tuple([_mark_uncertain(run, known.get(run.job), directory) for run in runs])
        _report_setback(setback, len(runs))
    if setback is not None or bad_runs:
        # Before the damaged ones are deleted from the store.
        runs += await _find_unknown_runs(archive, directory, runs, bad_runs, known)
    if unreadable:
        found = {run.id: run for run in runs}
        await _put_aside(archive, directory, unreadable, [by_job[job_id] for job_id in damaged_jobs], found)
    if setback is not None:
        await _record_forgotten_runs(archive, directory, setback, {run.id for run in runs})
    logged = await archive.write(lambda store: list(instants_of_logs(store)))
    newest = newest_of([*logged, *instants_of_runs(runs), *instants_of_states(states)])
    restored = Restored(
        settings,
        tuple(all_plans),
        tuple(by_job.values()),
        runs,
        seen,
        setback is not None,
        notices,
        downtime=await asyncio.to_thread(_find_downtime, directory, newest, now),
        last_downtime=next(iter(downtimes), None),
    )
    await asyncio.sleep(time_until_decided(newest, now.wall).total_seconds())
    unusable = [one.plan.job.id for one in added if one.plan.problem is not None]
    return Recovered(restored, (*configured, *added), damaged_jobs, unusable, replaced)


def _find_downtime(directory: Path, newest_record: datetime | None, now: Moment) -> Downtime | None:
    """Return since when no daemon ran, and note it where the store knows it better than the last note."""
    if newest_record is not None:
        with contextlib.suppress(OSError):
            note_record(directory, newest_record, now.wall)
    return find_downtime(directory, now.wall, find_machine_boot(now))


def _share_ids(states: Iterable[JobState], jobs: Mapping[JobId, Job]) -> None:
    """Let states that were just read have the strings that are the jobs' ids, because there may be ten thousand."""
    _, setters = copying_tools(JobState)
    set_id = setters["job"]
    for state in states:
        if (job := jobs.get(state.job)) is not None:
            set_id(state, job.id)


def _plan_stored(job: Job, factory: PluginFactory) -> Planned:
    """Return the plan of a job of the store. One that can't be used costs itself alone, and is kept as it is."""
    try:
        return factory.plan(job, JobOrigin.STORE)
    except InvalidJob as error:
        logger.bind(job=job.id).error(
            "starts nothing until its plugins are back and the daemon is restarted: {}", error
        )
        return Planned(Plan(job, origin=JobOrigin.STORE, problem=str(error)), {})


async def discard_replaced_jobs(archive: Repository, jobs: Sequence[JobId]) -> None:
    """Remove the definitions of added jobs whose places those of the configuration have taken. Raises StoreError."""
    if not jobs:
        return
    changes: list[Change] = [Delete(documents.JOB, job) for job in jobs]
    await archive.write(lambda store: store.commit(changes))
    for job in jobs:
        logger.bind(job=job).warning("{}", describe_replaced_job(job))


def describe_replaced_job(job: str) -> str:
    """Return a line about an added job whose place one of the configuration has taken."""
    return f'job "{job}" of the configuration has replaced the one of that name that was added by hand'


def find_setback(directory: Path, store: Store) -> Setback | None:
    """Return the sign that the store went back to an older state: by a repair, or because it was restored.

    The sign of a repair is made durable: the store itself forgets it with the next commit.
    """
    if store.setback is not None:
        note_setback(directory, store.setback)
        return store.setback
    try:
        return Setback(parse_instant((directory / RESTORED_MARK).read_text(encoding="ascii").strip()), None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return Setback(None, None)


def forget_restore(directory: Path) -> None:
    """Remove the mark of a restore, once everything that follows from it is durable. Raises StoreError."""
    try:
        (directory / RESTORED_MARK).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{directory / RESTORED_MARK}: can't be removed ({error.strerror})") from error


async def write_again(
    archive: Repository, directory: Path, held: Sequence[Save], kept_jobs: Collection[str], now: datetime
) -> None:
    """Write what the engine holds to a store that went back in use; what it held besides was of an older state.

    Definitions of `kept_jobs` stay as they are. Errors: StoreError.
    """
    setback = await archive.write(partial(find_setback, directory))
    await archive.rewrite(held, kept_jobs, now)
    if setback is not None:
        opened = {save.value.id for save in held if isinstance(save.value, Run)}
        await _record_forgotten_runs(archive, directory, setback, opened)
    forget_restore(directory)


def _mark_uncertain(run: Run, job: Job | None, directory: Path) -> Run:
    """Return an open run of a store that went back, with the latest attempt of which its executor left a trace."""
    attempt = run.attempt
    while any(_traces(run, attempt + 1, directory)):
        attempt += 1
    return mark_uncertain(run, job, attempt)


def _traces(run: Run, attempt: int, directory: Path) -> Iterator[Path]:
    output = output_path(directory, run.job, run.id, attempt)
    return output.parent.glob(f"{output.stem}.*")


async def _find_unknown_runs(
    archive: Repository,
    directory: Path,
    runs: Sequence[Run],
    bad_runs: Sequence[UnreadableDocument],
    jobs: Mapping[JobId, Job],
) -> tuple[Run, ...]:
    """Return the runs of attempts that may be alive, and that neither open runs nor the history know."""
    traces = await asyncio.to_thread(find_traces, directory / "output", RECORDS, {run.id for run in runs})
    damaged = {item.key: _read_damaged_run(item) for item in bad_runs}
    found = []
    for trace in traces.values():
        if await archive.runs(LogQuery(key=trace.run, limit=1)):
            continue
        found.append(reopen_run(trace, jobs.get(trace.job), damaged.get(trace.run)))
        logger.bind(job=trace.job, run=trace.run).warning(
            "the store doesn't know attempt {} of this run, which has begun; it is looked for", trace.attempt
        )
    return tuple(found)


async def _record_forgotten_runs(
    archive: Repository, directory: Path, setback: Setback, known: Collection[str]
) -> None:
    """Record the runs that ended after the time to which the store went back, as far as they left output, as lost."""
    traces = await asyncio.to_thread(find_traces, directory / "output", OUTPUTS, known)
    forgotten = [
        lost_run(trace)
        for trace in traces.values()
        if (setback.since is None or trace.at >= setback.since - FILE_TIME_RESOLUTION)
        and not await archive.runs(LogQuery(key=trace.run, limit=1))
    ]
    if not forgotten:
        return
    changes = encode(map(Record, forgotten))
    await archive.write(lambda store: store.commit(changes))
    count = format_count(len(forgotten), "run has", "runs have")
    logger.warning("{} ended since then, as the output shows: recorded as lost", count)


def _report_setback(setback: Setback, runs: int) -> None:
    since = "an earlier time" if setback.since is None else f"{setback.since:%Y-%m-%d %H:%M:%S} UTC"
    logger.warning(
        "the store is as it was at {}: what ran or fell due since is not run again; {}",
        since,
        f"{format_count(runs, 'open run')} of that time: finished where the end is on record, lost otherwise",
    )


async def find_attempts(restored: Restored, executions: Executions, node: str = "") -> Sequence[tuple[Run, Job]]:
    """Ask the executors for the result of each attempt that was active when the last daemon ended.

    Those of another node than `node` are returned: only that node's executors can tell.
    An attempt is looked for by the executor that started it, whatever its job says now, and where the job is gone too.
    A node that takes over waits less: starts of other jobs are due since the last leader was gone.
    """
    jobs = {plan.job.id: plan.job for plan in restored.plans}
    active = [run for run in restored.runs if run.state.active]
    for run in active:
        if run.job not in jobs:
            logger.bind(job=run.job, run=run.id).warning("its job is gone; the attempt is looked for all the same")
    found = [(run, _job_as_started(run, jobs.get(run.job))) for run in active]
    own = [(run, job) for run, job in found if run.node in ("", node)]
    await executions.find(own, TAKE_OVER_FIND_SECONDS if node else FIND_TIMEOUT_SECONDS)
    return [(run, job) for run, job in found if run.node not in ("", node)]


def _job_as_started(run: Run, job: Job | None) -> Job:
    """Return the job with the executor that started the run's attempt."""
    return job if job is not None and job.executor_ref == run.terms.executor else job_of_terms(run)


def _damage_message(item: UnreadableDocument, job: str) -> str:
    hint = f"'rae-auto resume {job}' lets it start again"
    if item.kind == documents.JOB:
        hint = f"add it again with 'rae-auto add --replace' and resume it, or remove it with 'rae-auto remove {job}'"
    return f'job "{job}" is paused because its {item.kind} in the store is damaged: {item.problem}; {hint}'


def _read_damaged_run(item: UnreadableDocument) -> Run | None:
    try:
        return documents.load(Run, json.loads(item.text))
    except Exception:  # damaged in an unknown way
        return None


def _lost_run(item: UnreadableDocument, job: str) -> Run:
    """Return the record of a run whose document is damaged, with as much as can be read of it."""
    now, reason = datetime.now(UTC), AttemptError("its document in the store was damaged")
    run = _read_damaged_run(item) or Run(
        id=RunId(item.key), job=JobId(job), trigger="", key="", scheduled_for=now, queued_at=now, cause=Due()
    )  # fmt: skip
    return evolve(run, state=RunState.LOST, finished_at=now, reason=reason, handle=None, stopping=None)


async def _put_aside(
    archive: Repository,
    directory: Path,
    unreadable: Sequence[UnreadableDocument],
    states: Sequence[JobState],
    found: Mapping[RunId, Run],
) -> None:
    """Keep what is damaged in a file, and hold its jobs durably until they are resumed.

    Damaged open runs are recorded as lost, but for those of which an attempt is `found`.
    """
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    aside = directory / f"documents.corrupt-{moment}.json"
    content = [{"kind": item.kind, "key": item.key, "problem": item.problem, "text": item.text} for item in unreadable]
    try:
        write_atomically(aside, json.dumps(content, indent=1).encode())
    except OSError as error:
        raise StoreError(f"{aside}: can't be written ({error.strerror})") from error
    for item in unreadable:
        of = "" if item.job is None else f'; job "{item.job}" is paused'
        place = f'the {item.kind} "{item.key}" in the store'
        logger.error("{} is damaged ({}){}; it is kept in {}", place, item.problem, of, aside)
    # The job's own definition stays: only a person can say what it was.
    changes: list[Change] = [Delete(item.kind, item.key) for item in unreadable if item.kind != documents.JOB]
    changes += [Put(*documents.document_key(state), documents.dump(state)) for state in states]
    damaged_runs = [item for item in unreadable if item.kind == documents.RUN]
    changes += encode([Save(found[RunId(item.key)]) for item in damaged_runs if item.key in found])
    lost = [_lost_run(item, item.job) for item in damaged_runs if item.job is not None and item.key not in found]
    changes += encode(map(Record, lost))
    await archive.write(lambda store: store.commit(changes))
