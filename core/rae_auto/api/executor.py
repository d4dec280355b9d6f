"""The contract of executors, which carry out attempts and report how they ended."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from rae_auto.api.plugin import Plugin
from rae_auto.model.job import Job, JobFields
from rae_auto.model.policies import Limits
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import QueuePlace, Result

if TYPE_CHECKING:
    from asyncio import Future

JOB_KINDS = ("command", "shell", "script", "python")
"""The keys of a job that say what to run."""


@frozen(kw_only=True)
class Assignment:
    """One attempt to carry out. `environment` is all that a process gets; `output` the file for what it prints.

    `stdin` is the text for standard input, None for none. `secret_directory` is a folder with files of the attempt,
    None if there is none; the daemon removes it after the end. An executor whose processes outlive the daemon may
    do so too.

    `secrets` are values that must appear neither there nor in anything else that is kept or shown, the longest first.
    """

    run: RunId
    attempt: int
    job: Job
    environment: Mapping[str, str]
    _output: str | Path
    secrets: tuple[str, ...] = ()
    stdin: str | None = None
    secret_directory: Path | None = None

    @property
    def output(self) -> Path:
        """The file for what the attempt prints; its path is made when it is asked for."""
        return Path(self._output)


class Execution(ABC):
    """An attempt that an executor is carrying out."""

    @property
    @abstractmethod
    def handle(self) -> Mapping[str, Any]:
        """Return what `Executor.find` needs after a crash of the daemon, as JSON; stored with the run.

        A "pid" in it is that of the attempt's process on this machine, and is shown as proof that it runs.
        """

    @property
    def is_out_of_reach(self) -> bool:
        """True while nothing can be known of the attempt, as of one on a machine to which there is no connection.

        Until that ends, an attempt that was asked to end is not given up, because it may still run.
        """
        return False

    @property
    def queue(self) -> QueuePlace | None:
        """The queue elsewhere, as that of a cluster, that the attempt was put into; None if there is none.

        Read once, right after `Executor.start` or `find`. The run waits, and is shown so, until `leave_queue` returns.
        Where another machine was asked to start the attempt and doesn't answer, it has `may_have_started`.
        """
        return None

    @property
    def taken_by(self) -> str:
        """The name of what took the attempt out of its `queue`, for the log: a worker's; "" where it isn't known.

        Read once `leave_queue` has returned.
        """
        return ""

    async def leave_queue(self) -> timedelta | None:
        """Wait until the attempt has left its `queue`; return how long ago. None: it ended there, and never started.

        The start of the run, and the job's timeout, count from then. Called once, where there is a queue.
        """
        return None

    @property
    def end(self) -> "Future[Result] | None":
        """Return a future of the event loop with what `wait` returns, or None, as by default.

        For many short attempts at once: with a future the daemon needs no task to wait for each. It may then put the
        end on record together with the start, some milliseconds later, so `find` has to find the attempt without its
        handle too. Cancelled together with the daemon's interest in it, as when it is given up.
        """
        return None

    @abstractmethod
    async def wait(self) -> "Result | NeverStarted | None":
        """Wait for the end of the attempt and return its result. Never raises for a failure of the job.

        Nothing of the attempt is left then, in memory or on a machine; where something may be, `Result.tree` says so.

        An executor whose attempts run elsewhere may learn that an attempt never started. Or nothing of it is left, and
        its result can't be known (None), as after a crash of the machine: then the job's `on_crash` decides.
        """

    @abstractmethod
    async def cancel(self, grace: timedelta) -> None:
        """Ask the attempt to end, and force it `grace` later; `wait` then returns. Another call may shorten it."""


@frozen(kw_only=True)
class JobContext:
    """Facts about a job before it runs: its `environment`, and the `directory` of its configuration file."""

    environment: Mapping[str, str]
    directory: Path


@frozen
class NeverStarted:
    """The attempt never began, and can't begin any more."""


class Executor(Plugin):
    """Carries out attempts. One instance serves all jobs that name it with the same options."""

    takes: ClassVar[Collection[str]] = ("command",)
    """The kinds of jobs that it carries out: `command`, `shell`, `script`, `python`; none for jobs that are options
    of the executor alone. A job of another kind is refused by `check`, by name, and never reaches `start`."""

    masks_output: ClassVar[bool] = False
    """It writes no value of `Assignment.secrets` to `Assignment.output`, as `toolkit.attempts.AttemptOutput` does. The
    core masks results and errors in any case; the output of an executor that doesn't say so it masks at the end."""

    makes_output_folder: ClassVar[bool] = False
    """It makes the folder of `Assignment.output` by itself, if that is missing; otherwise the core does before each
    start."""

    runs_in_daemon: ClassVar[bool] = False
    """Attempts run inside the daemon, without a process. Then `Assignment.environment` is empty, and the executor makes
    the folder of `Assignment.output` itself when there is something to write."""

    finds_from_anywhere: ClassVar[bool] = False
    """`find` needs the assignment and the handle alone, and nothing of the machine whose daemon started the attempt.

    Then it is asked about the attempts of a machine that was declared dead, because they may go on elsewhere. An
    executor without it has no say, and its attempts count as lost."""

    @classmethod
    def backends(cls) -> Mapping[str, str | None]:
        """By what each limit of a job is enforced on this machine, in words; None, or no entry, where it can't be."""
        return {}

    @classmethod
    def unenforceable(cls, limits: Limits) -> Mapping[str, str]:
        """Which of the limits that a job sets can't be enforced on this machine, each with the reason."""
        backends = cls.backends()
        reason = f"the {cls.type} executor can't enforce it on this machine"
        return {name: reason for name in limits.names if backends.get(name) is None}

    @classmethod
    def unsupported_keys(cls) -> Mapping[str, str]:
        """Keys of a job that this executor can't honour, each with the reason; a job that sets one is refused.

        Overridden by an executor that sets `Result.stderr` for jobs with `fail_on`, or passes `Assignment.stdin` on.
        """
        return {
            "fail_on": f"the {cls.type} executor does not tell what is written to standard error; remove it",
            "stdin": f"the {cls.type} executor gives jobs no standard input; remove it",
            "user": f"the {cls.type} executor can't start a job as another user; run a daemon as that user",
        }

    def job_warnings(self, job: Job, context: JobContext) -> Mapping[str, str]:
        """Return what of a job can't work on this machine now, by its key: a missing program, for instance.

        `rae-auto check` shows it. One line each, with the remedy; quick, and without side effects.
        """
        return {}

    def needs_preparation(self, job: Job) -> bool:
        """Return whether `prepare` has anything to do for the job. Quick, and without a look at any file."""
        return False

    async def prepare(self, job: Job, context: JobContext) -> Mapping[str, str]:
        """Get ready what the job needs for its runs, such as packages; return its errors, by their keys.

        The daemon calls it in the background for each job that needs it, when it is loaded or added; no start waits
        for that, so `start` works without it. `rae-auto check` calls it too, without `open`. An error is one that the
        next call would find again, one line with the remedy; anything else that fails is raised. Cancelled when it
        takes too long.
        """
        return {}

    async def open(self, directory: Path) -> None:
        """Prepare; called once, before the first `start`. `directory` (0700, exists) is the executor's own."""

    async def warm_up(self) -> None:
        """Start what attempts need beside themselves, such as a process that holds them; the executor is open.

        Called some seconds before a schedule is due, so that no start has to wait for it. `start` works without it, and
        reports what fails here.
        """

    def expect_starts(self, number: int, folders: Collection[Path]) -> None:
        """Get ready for this many starts of schedules that are due within seconds; nothing, by default.

        `folders` are some of those for their output that don't exist yet. Called after `warm_up`, and again for the
        same starts. Quick.
        """

    async def check_readiness(self) -> str | None:
        """Return what keeps every attempt from starting now, in one line, or None; the executor is open.

        For executors whose attempts run elsewhere: a run waits, without taking a slot, for as long as there is
        something, and `rae-auto why` shows it. Asked before each start, so it answers at once where it can.
        """
        return None

    @abstractmethod
    async def start(self, assignment: Assignment) -> Execution:
        """Start an attempt. An error raised here fails the attempt with the error's text."""

    def start_at_once(self, assignment: Assignment) -> Execution | None:
        """Start an attempt as `start` does, but without waiting for anything; None, by default, to have that awaited.

        Asked of executors with `runs_in_daemon`, once they are open: it spares many short attempts a task each.
        """
        return None

    async def find(
        self, assignment: Assignment, handle: Mapping[str, Any] | None
    ) -> "Execution | Result | NeverStarted | None":
        """Return, after a restart, the attempt if it is alive, its result if it ended, or None if that can't be known.

        `handle` is None where the daemon died before it was recorded.
        """
        return None

    def confirm_ends(self, attempts: Collection[tuple[RunId, int]]) -> None:
        """Forget attempts, by run and number, whose ends are durable: no later daemon will ask `find` for them.

        For executors that keep the result of an attempt until then. Called some moments after the ends, with many at
        once; among them may be attempts of other executors. Quick.
        """

    def find_run(self, pid: int, handles: Mapping[RunId, Mapping[str, Any]]) -> RunId | None:
        """Return the active run that a process belongs to; None if it belongs to none.

        `handles` are those of the active runs that the executor has. A process that certainly belongs to a run, but not
        certainly to which, gives an empty id. What a process can change of itself, such as its environment, must not
        be able to hide that. Called in a thread, when a program that is connected to the daemon adds a job.
        """
        return None

    async def close(self) -> None:
        """Clean up; called once, when no attempt is active any more, or active ones are to be left running."""


def find_untaken_kind(executor: Executor | type[Executor], job: JobFields) -> str | None:
    """Return the key by which a job says what to run, if the executor doesn't take it; None if it does."""
    for kind in JOB_KINDS:
        if getattr(job, kind) and kind not in executor.takes:
            return kind
    return None
