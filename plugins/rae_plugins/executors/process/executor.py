"""The process executor: start attempts through the keeper, and find those of an earlier daemon."""

import asyncio
import errno
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import define, field

from rae_auto.api import JOB_KINDS, Assignment, Execution, Executor, JobContext, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.policies import FailOn, Limits
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result
from rae_auto.toolkit.environment import home_or_root, is_root
from rae_plugins.executors.process import limit_checks
from rae_plugins.executors.process.adopted_attempt import AdoptedAttempt, end_tree
from rae_plugins.executors.process.attempt_files import (
    claim_attempt,
    has_record,
    is_claimed,
    read_record,
    to_past_result,
    wait_for_start_record,
)
from rae_plugins.executors.process.earlier_daemons import find_live_keepers, list_keepers, note_boot
from rae_plugins.executors.process.identity import ProcessIdentity, ProcessTree
from rae_plugins.executors.process.job_checks import find_job_warnings
from rae_plugins.executors.process.job_user import NEEDS_ROOT, build_user_environment, to_request
from rae_plugins.executors.process.keeper_client import KeeperClient
from rae_plugins.executors.process.python_job import PythonExecution, add_record, build_argv
from rae_plugins.executors.process.root_programs import find_program_of_others
from rae_plugins.executors.process.run_lookup import find_run_of

SHELL = "cmd.exe" if os.name == "nt" else "/bin/sh"

TRUST_SECONDS = 1.0
"""Time for which a look at a program on behalf of root serves later starts of the same command, if it found nothing.

A look takes several times as long as the rest of a start: its thread waits for the interpreter at each file.
"""

CLAIM_RETRY_SECONDS = 1.0
"""Pause before an attempt is claimed again where the disk is full."""

MAX_TRUSTED = 1_000
"""Number of commands whose looks are remembered."""

NOT_ON_WINDOWS = {
    "user": "can't be done on Windows, which asks for the user's password; run a daemon as this user",
    "umask": "has no meaning on Windows, where a file gets its rights from its folder; remove it",
}
"""Keys of a job that Windows has nothing for."""


@define(kw_only=True, eq=False)
class ProcessExecutor(Executor):
    """Runs `command` (an argv, never a shell), `shell` (for /bin/sh), `python` or `script` in a session of its own.

    A keeper process between daemon and jobs holds their pipes and records how they end. A job therefore survives a
    daemon that is killed, and its true exit status is there for the next one.
    """

    type: ClassVar[str] = "process"
    takes: ClassVar[Collection[str]] = JOB_KINDS
    masks_output: ClassVar[bool] = True
    makes_output_folder: ClassVar[bool] = True

    orphans: Literal["kill", "allow"] = field(
        default="kill",
        metadata={
            "help": 'what happens to processes that a command leaves behind; "allow" for a job that starts a service',
            "former": "leftover",
        },
    )
    _is_same_boot: bool = field(init=False, default=False)
    """The machine has been up since the last daemon: only then does a missing file mean that it was never written."""
    _directory: Path | None = field(init=False, default=None)
    _home: str = field(init=False, default="/")
    """The working directory of jobs without one; looked up until there is a home."""
    _keeper: KeeperClient = field(init=False, factory=KeeperClient)
    _looks: dict[tuple[object, ...], "asyncio.Task[str | None]"] = field(init=False, factory=dict, eq=False)
    """Looks at programs on behalf of root that go on, by all that their answers depend on."""
    _trusted: dict[tuple[object, ...], float] = field(init=False, factory=dict, eq=False)
    """Until when, by the clock of the event loop, a look that found nothing is not repeated."""

    @classmethod
    def backends(cls) -> Mapping[str, str | None]:
        """Return the mechanism that enforces each limit on this machine."""
        return limit_checks.backends()

    @classmethod
    def unenforceable(cls, limits: Limits) -> Mapping[str, str]:
        """Return the limits without a mechanism here, and those whose values this user may not set."""
        return {**super().unenforceable(limits), **limit_checks.explain_not_permitted(limits)}

    @classmethod
    def unsupported_keys(cls) -> Mapping[str, str]:
        """Return no keys: a process honours them all, but only root can start it as another user."""
        if os.name == "nt":
            return NOT_ON_WINDOWS
        return {} if is_root() else {"user": NEEDS_ROOT}

    def job_warnings(self, job: Job, context: JobContext) -> Mapping[str, str]:
        """Return a warning if the working directory or the program is missing; runs nothing."""
        return find_job_warnings(job, context, _working_directory(job))

    def needs_preparation(self, job: Job) -> bool:
        """Return True for a script, which may need packages."""
        return job.script is not None

    async def prepare(self, job: Job, context: JobContext) -> Mapping[str, str]:
        """Install what a script needs. Raises RuntimeError if that can't be done at present."""
        from rae_plugins.executors.process.script_job import prepare_script  # lazy: memory

        problem = await prepare_script(job, context.environment, _working_directory(job))
        return {} if problem is None else {"script": problem}

    async def open(self, directory: Path) -> None:
        """Find out whether the last daemon ran in the same boot. Errors: OSError."""
        self._directory = self._keeper.directory = directory
        me = ProcessIdentity.of(os.getpid())
        self._is_same_boot = me is not None and note_boot(directory, me)

    async def warm_up(self) -> None:
        """Start the keeper. Errors: OSError, RuntimeError."""
        await self._keeper.connect()

    def expect_starts(self, number: int, folders: Collection[Path]) -> None:
        """Have the keeper make folders, and output files for quick starts, while it has nothing else to do."""
        self._keeper.expect_starts(number, folders)

    async def start(self, assignment: Assignment) -> Execution:
        """Have the keeper spawn the command. Errors: ValueError, RuntimeError with the keeper's explanation."""
        job = assignment.job
        argv = _argv(assignment)
        if not argv:
            raise ValueError('the process executor needs "command", "shell", "python" or "script"')
        if self._home == "/":
            self._home = str(home_or_root())
        directory, output = job.cwd or job.directory or self._home, assignment.output
        await self._refuse_programs_of_others(assignment, argv, directory)
        request = {
            "key": _key(assignment.run, assignment.attempt),
            "run": assignment.run,
            "argv": argv,
            "user": to_request(job.user),
            "env": self._build_environment(assignment),
            "cwd": directory,
            "stdin": assignment.stdin,
            "private": None if assignment.secret_directory is None else str(assignment.secret_directory),
            "umask": None if job.umask is None else int(job.umask, 8),
            "output": str(output),
            "cap": job.limits.output,
            "hide": assignment.secrets,
            "watches_stderr": FailOn.STDERR in job.fail_on,
            "limits": limit_checks.to_request(job.limits),
            "orphans": self.orphans,
            "kill_after": job.kill_after.total_seconds(),
        }
        if os.name == "nt":
            request |= {"shell": job.shell or None, "shell_program": job.shell_program, "python": sys.executable}
        can_wait = job.timeout is None and job.expect.max_runtime is None
        execution = await self._keeper.spawn(request, output, can_wait=can_wait)
        return execution if job.python is None else PythonExecution(execution, output)

    async def _refuse_programs_of_others(self, assignment: Assignment, argv: tuple[str, ...], directory: str) -> None:
        """Raise ValueError if root would run what another user can change."""
        if is_root():
            job, environment = assignment.job, assignment.environment
            of_job = (job.shell, job.script, job.python, job.directory, job.user)
            facts, began = (argv, *of_job, environment.get("PATH"), directory), asyncio.get_running_loop().time()
            if self._trusted.get(facts, 0.0) > began:
                return
            look = self._looks.get(facts)
            if look is None:
                # In a thread, because a file system of the network may hang.
                look = asyncio.create_task(asyncio.to_thread(find_program_of_others, job, argv, environment, directory))
                # For all starts of the same command that come while it goes on; one that is given up ends no other's.
                self._looks[facts] = look
                look.add_done_callback(lambda _: self._looks.pop(facts))
            problem = await asyncio.shield(look)
            if problem is not None:
                raise ValueError(problem)
            if len(self._trusted) >= MAX_TRUSTED:
                self._trusted.clear()
            self._trusted[facts] = began + TRUST_SECONDS

    def _build_environment(self, assignment: Assignment) -> Mapping[str, str]:
        if os.name == "nt":
            from rae_plugins.executors.process.keeper.windows.environment import (
                complete_environment,
            )  # lazy: only on Windows

            return complete_environment(assignment.environment, os.environ)
        return build_user_environment(assignment.job, assignment.environment, assignment.job.pass_env)

    async def find(
        self, assignment: Assignment, handle: Mapping[str, Any] | None
    ) -> Execution | Result | NeverStarted | None:
        """Return the attempt of an earlier daemon, its result, or that it never started."""
        found = await self._find(assignment, handle)
        if assignment.job.python is None:
            return found
        if isinstance(found, Execution):
            return PythonExecution(found, assignment.output)
        return add_record(found, assignment.output) if isinstance(found, Result) else found

    async def _find(
        self, assignment: Assignment, handle: Mapping[str, Any] | None
    ) -> Execution | Result | NeverStarted | None:
        """Return the attempt of an earlier daemon as its keeper's records and its processes show it.

        The order matters. The claim comes first, because it can only succeed before a keeper has started, or after a
        quiet attempt has ended, which its records show. The exit record is read before and after the processes are
        looked at: the attempt may end between the two.
        """
        output = assignment.output
        if handle is None and await self._has_never_started(output):
            return NeverStarted()
        record = await self._read_start_record(output, handle)
        exit_path = output.with_suffix(".exit")
        if (exit_record := read_record(exit_path)) is not None:
            return to_past_result(exit_record)
        tree = ProcessTree.from_record(record, assignment.run)
        if tree.is_kept() or tree.is_leader_alive():
            return AdoptedAttempt(record, tree, exit_path)
        if (exit_record := read_record(exit_path)) is not None:
            return to_past_result(exit_record)
        # There must be no second attempt while anything of the first may live.
        await end_tree(tree)
        return None

    async def _has_never_started(self, output: Path) -> bool:
        """Return whether an attempt never started, and make sure that it can't start any more.

        A full disk has no room for that, so whether it can start remains unknown until there is some.
        """
        while True:
            try:
                return self._claim_unstarted(output)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    return False
            await asyncio.sleep(CLAIM_RETRY_SECONDS)

    def _claim_unstarted(self, output: Path) -> bool:
        if has_record(output):
            return False
        if not (self._is_same_boot and claim_attempt(output)):
            return is_claimed(output)
        if has_record(output):
            # A quiet attempt has ended since the first look.
            output.unlink()
            return False
        return True

    async def _read_start_record(self, output: Path, handle: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if handle is not None:
            return read_record(output.with_suffix(".start")) or handle
        # One that is started later can't have the attempt.
        keepers = [] if self._directory is None else find_live_keepers(self._directory)
        return await wait_for_start_record(output, lambda: any(keeper.is_alive() for keeper in keepers)) or {}

    def confirm_ends(self, attempts: Collection[tuple[RunId, int]]) -> None:
        """Have the keeper forget attempts whose ends are durable."""
        self._keeper.confirm_ends(_key(run, attempt) for run, attempt in attempts)

    def find_run(self, pid: int, handles: Mapping[RunId, Mapping[str, Any]]) -> RunId | None:
        """Return the run that a process belongs to, by what the kernel says of its parents."""
        keepers = () if self._directory is None else list_keepers(self._directory)
        return find_run_of(pid, handles, keepers)

    async def close(self) -> None:
        """Disconnect from the keeper, which stays until its last job has ended."""
        await self._keeper.close()


def _key(run: RunId, attempt: int) -> str:
    """Return the name of an attempt in the keeper's protocol."""
    return f"{run}.{attempt}"


def _argv(assignment: Assignment) -> tuple[str, ...]:
    job = assignment.job
    if job.python is not None:
        return build_argv(assignment)
    if job.script is not None:
        from rae_plugins.executors.process.script_job import build_script_argv  # lazy: memory

        return build_script_argv(job, assignment.environment)
    # What cmd.exe gets is no argv: the keeper builds its line.
    return (job.shell_program or SHELL, "-c", job.shell) if job.shell else job.argv


def _working_directory(job: Job) -> str:
    return job.cwd or job.directory or str(home_or_root())
