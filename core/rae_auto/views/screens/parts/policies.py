"""The policies of a job in words."""

from collections.abc import Iterator

from rae_auto.model.job import Job
from rae_auto.model.policies import Backoff, CatchUp, Overlap, Priority, RetryPolicy
from rae_auto.model.primitives.formatting import format_bytes, format_count, quote_some
from rae_auto.model.primitives.units import format_duration
from rae_auto.views.screens.parts.base import Fact

_OVERLAP = {
    Overlap.SKIP: "an occurrence that comes while a run is open is skipped",
    Overlap.QUEUE: "an occurrence that comes while a run is open waits; one waits at most",
    Overlap.REPLACE: "an occurrence that comes while a run is open cancels that run and takes its place",
    Overlap.ALLOW: "runs may overlap",
}
_CATCH_UP = {
    CatchUp.LATEST: "of missed occurrences, the latest runs late",
    CatchUp.ALL: "all missed occurrences run late",
    CatchUp.NONE: "missed occurrences are skipped",
}
_CATCH_UP_WITHIN = {
    CatchUp.LATEST: "of missed occurrences, the latest runs late, if it is at most {} old",
    CatchUp.ALL: "all missed occurrences run late that are at most {} old",
    CatchUp.NONE: _CATCH_UP[CatchUp.NONE],
}


def describe_policies(job: Job) -> tuple[Fact, ...]:
    """Return what the job's policies mean, a sentence each, those that most jobs ask for first."""
    return tuple(Fact(subject, text) for subject, text in _policies(job))


def _describe_delay(retry: RetryPolicy) -> str:
    """Return the delays before the next attempts: one, where they don't grow."""
    least = min(retry.delay, retry.max_delay)
    if retry.backoff is Backoff.CONSTANT or retry.delay >= retry.max_delay:
        return f"constant delay of {format_duration(least)}"
    return f"{retry.backoff.value} delay from {format_duration(least)} to {format_duration(retry.max_delay)}"


def _policies(job: Job) -> Iterator[tuple[str, str]]:
    most = f", at most {job.overlap_max}" if job.overlap is Overlap.ALLOW else ""
    yield "overlap", f"{_OVERLAP[job.overlap]}{most}"
    if job.catch_up_window is None:
        yield "catch_up", _CATCH_UP[job.catch_up]
    else:
        yield "catch_up", _CATCH_UP_WITHIN[job.catch_up].format(format_duration(job.catch_up_window))
    retry = job.retry_policy
    if retry.attempts > 1:
        yield "retry", f"{format_count(retry.attempts, 'attempt')}, {_describe_delay(retry)}"
    else:
        yield "retry", "an unsuccessful run isn't repeated"
    if job.timeout is not None:
        yield "timeout", f"an attempt is ended after {format_duration(job.timeout)}"
    if job.needs:
        yield "needs", f"the latest run of {quote_some(job.needs)} must have succeeded"
    if job.resources:
        units = ", ".join(f"{name} ({units})" if units > 1 else name for name, units in job.resources.items())
        yield "resources", f"each attempt takes {units}"
    if job.guards and job.guard_timeout:
        yield "guard_timeout", f"a run waits up to {format_duration(job.guard_timeout)} for guards that block it"
    if job.priority is not Priority.NORMAL:
        yield "priority", job.priority.name.lower()
    if job.expect.every is not None:
        yield "expect", f"it must succeed once in {format_duration(job.expect.every)}"
    if job.expect.max_runtime is not None:
        yield "max_runtime", f"a run should take at most {format_duration(job.expect.max_runtime)}"
    if job.limits.memory is not None:
        yield "memory", f"at most {format_bytes(job.limits.memory)}"
    if job.limits.cpu_time is not None:
        yield "cpu_time", f"at most {format_duration(job.limits.cpu_time)}"
    yield "output", f"{format_bytes(job.limits.output)} of the output of each attempt are kept"
    if job.notify.on:
        via = f", by {quote_some(job.notify.via)}" if job.notify.via else ""
        yield "notify", f"reported{via}: {', '.join(one.value for one in job.notify.on)}"
