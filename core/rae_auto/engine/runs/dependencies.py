"""A job needs others: their latest runs must have succeeded before it may start."""

from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from rae_auto.engine.state import EngineState
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import JobId
from rae_auto.model.reasons import Reason
from rae_auto.model.run import RunState

DependencyResult = tuple[Reason, JobId]
"""What stands in the way, and which job it is."""


def unfinished(world: EngineState, job: Job) -> DependencyResult | None:
    """A needed job that still has an open run: its result is not known yet."""
    return next(((Reason.NEED_RUNNING, need) for need in job.needs if need in world.runs_of), None)


def unmet(world: EngineState, job: Job) -> DependencyResult | None:
    """A needed job whose latest run did not succeed, or that never ran."""
    for need in job.needs:
        entry = world.jobs.get(need)
        last = entry and entry.state.last_state
        if last is not RunState.SUCCEEDED:
            return (Reason.NEED_NEVER_RAN if last is None else Reason.NEED_FAILED, need)
    return None


def find_cycle(needs_of: Mapping[JobId, Iterable[JobId]]) -> list[JobId] | None:
    """A way from a job back to itself by its needs, e.g. [a, b, a]; None where there is none."""
    try:
        TopologicalSorter(needs_of).prepare()
    except CycleError as error:
        # graphlib tells who is needed before who needs it.
        return list(reversed(error.args[1]))
    return None


def reached_from(jobs: Iterable[JobId], needs_of: Callable[[JobId], Iterable[JobId]]) -> dict[JobId, tuple[JobId, ...]]:
    """These jobs and all that they need, directly or by way of others, each with its own needs."""
    graph: dict[JobId, tuple[JobId, ...]] = {}
    reached = list(jobs)
    while reached:
        job = reached.pop()
        if job not in graph:
            graph[job] = tuple(needs_of(job))
            reached.extend(graph[job])
    return graph


def in_order(due: Iterable[JobId], needs_of: Callable[[JobId], Iterable[JobId]]) -> list[JobId]:
    """Jobs that are due together, each after those that it needs, whether directly or by way of others."""
    wanted = dict.fromkeys(due)
    graph = reached_from(wanted, needs_of)
    if not any(graph.values()):
        return list(wanted)
    return [job for job in TopologicalSorter(graph).static_order() if job in wanted]
