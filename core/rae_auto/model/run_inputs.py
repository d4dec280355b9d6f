"""Values that a person or program gives to one run, and what a job starts with them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import astuple, evolve, field, frozen

from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.references import find_argument_problems

MAX_INPUT_BYTES = 64 << 10
"""Bytes of the values that one run may get, as JSON: they are part of its record."""

_EMPTY: Mapping[str, str] = {}


def _to_tuple(args: Iterable[str]) -> tuple[str, ...]:
    # Not `tuple` itself: for the signature of a class in C attrs has inspect load the parser, 0.5 MB.
    return tuple(args)


@frozen(kw_only=True)
class RunInputs:
    """Variables and arguments of one run, beside those of its job; part of the run, so that its retries have them too.

    Raises ValueError for what no process can be given, or is too much.
    """

    env: Mapping[str, str] = field(default=_EMPTY)
    args: tuple[str, ...] = field(default=(), converter=_to_tuple)

    def __attrs_post_init__(self) -> None:
        for name, value in self.env.items():
            if (
                not isinstance(name, str)
                or not name
                or "=" in name
                or "\0" in name
                or not isinstance(value, str)
                or "\0" in value
            ):
                raise ValueError(f'invalid variable {quote(str(name)[:64])}; use a name without "=", and text')
            if name.startswith("RAE_"):
                raise ValueError(
                    f"the daemon sets {quote(name[:64])} and all names that begin with RAE_; choose another"
                )
        if any(not isinstance(word, str) or "\0" in word for word in self.args):
            raise ValueError("arguments must be texts without NUL characters")
        if self and len(json.dumps([dict(self.env), self.args])) > MAX_INPUT_BYTES:
            raise ValueError("variables and arguments are larger than 64 KB; store them in a file and pass its path")

    def __bool__(self) -> bool:
        return bool(self.env or self.args)

    def apply_to(self, job: Job) -> Job:
        """Return the job as the run carries it out."""
        return evolve(job, env={**job.env, **self.env}, args=(*job.args, *self.args)) if self else job

    def check(self, job: Job) -> None:
        """Raise ValueError if the job can't take the values."""
        if self.args and job.shell is not None:
            raise ValueError(f"job {quote(job.id)} has a shell line, which takes no arguments; pass variables instead")
        for problem in find_argument_problems({"args": self.args}, None):
            raise ValueError(problem.what)


NO_INPUTS = RunInputs()


@frozen
class Invocation:
    """The start of a job's attempts: its command, the directory, and the names of its variables."""

    argv: tuple[str, ...] = ()
    directory: str | None = None
    variables: tuple[str, ...] = ()


INVOCATION_PARTS = ("command", "directory", "variables")
"""The parts of an invocation, as people name them."""


def find_changed_parts(one: Invocation, other: Invocation) -> tuple[str, ...]:
    """Return the parts in which two invocations differ."""
    values = zip(INVOCATION_PARTS, astuple(one, recurse=False), astuple(other, recurse=False), strict=True)
    return tuple(part for part, then, now in values if then != now)


def invocation_of(job: Job) -> Invocation:
    """Return what a job starts as it is defined."""
    return Invocation(_command_of(job), job.cwd or job.directory, (*job.env, *job.secret_files, *job.pass_env))


def _command_of(job: Job) -> tuple[str, ...]:
    if job.command:
        return tuple(job.argv)
    if job.shell is not None:
        return (job.shell_program or "/bin/sh", "-c", job.shell)
    return (str(job.script or job.python or job.executor_ref.type), *map(str, job.args))


def inputs_of(env: Any, args: Any) -> RunInputs:
    """Return the inputs of a request. Errors: ValueError."""
    if not isinstance(env, Mapping | None):
        raise ValueError('"env" must be an object with texts')
    if not isinstance(args, list | tuple | None):
        raise ValueError('"args" must be a list of texts')
    return RunInputs(env=dict(env or {}), args=tuple(args or ())) if env or args else NO_INPUTS
