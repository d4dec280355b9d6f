"""The executor: its options, and attempts started, found again and left behind."""

import asyncio
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import define, field

from rae_auto.api import Assignment, Execution, Executor, JobContext, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.policies import Limits
from rae_auto.model.run import Result
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.toml_values import format_toml
from rae_executor_ssh.host_link import HostLink
from rae_executor_ssh.probe import find_problems
from rae_executor_ssh.ssh_command import DEFAULT_DIRECTORY
from rae_plugins.executors.remote.attempt import RemoteAttempt
from rae_plugins.executors.remote.request import build_request, describe_problem_of_job

READY_SECONDS = 5.0
"""Time that the first connection may take before a start waits with the reason."""

FIND_SECONDS = 3.0
"""Time for which a new daemon waits for the host before it goes on without knowing."""

_BY_KEEPER = "the keeper on the host, checked while the job runs"


def _check_host(_: object, __: object, host: str) -> None:
    if not host or host.startswith("-") or any(character.isspace() for character in host) or not host.isprintable():
        raise ValueError(f'must be a name that \'ssh\' takes, as in "nas" or "me@nas", not {format_toml(host)}')


def _check_word(_: object, attribute: Any, text: str) -> None:
    unsafe = set(" \t\n'\"\\$`;&|<>(){}*?[]!#~") - ({"~"} if attribute.name == "directory" else set())
    if not text or set(text) & unsafe:
        what = f'"{attribute.name}" must be a path without spaces and signs that a shell obeys'
        raise ValueError(f"{what}, not {format_toml(text)}")


@define(kw_only=True, eq=False)
class SshExecutor(Executor):
    """Runs `command` or `shell` on another machine, by the system's `ssh`.

    A keeper on the host holds the job, enforces limits and timeout, and records the exit status. A cut line, a sleeping
    laptop or a killed daemon therefore end nothing: the connection is made again, and the attempt adopted.
    """

    type: ClassVar[str] = "ssh"
    takes: ClassVar[Collection[str]] = ("command", "shell")
    masks_output: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"host": "nas"}

    host: str = field(
        validator=_check_host, metadata={"help": "the host, as `ssh` takes it: a name of your ssh_config"}
    )
    config: str | None = field(
        default=None, metadata={"help": "file of settings for `ssh`; by default those of the user and the system"}
    )
    python: str = field(default="python3", validator=_check_word, metadata={"help": "Python on the host, 3.9 or later"})
    directory: str = field(
        default=DEFAULT_DIRECTORY, validator=_check_word, metadata={"help": "folder for runs on the host"}
    )
    orphans: Literal["kill", "allow"] = field(
        default="kill", metadata={"help": 'what happens to processes that a command leaves behind: "kill" or "allow"'}
    )
    _link: HostLink | None = field(init=False, default=None)
    _attempts: dict[str, RemoteAttempt] = field(init=False, factory=dict)

    @classmethod
    def available(cls) -> str | None:
        """Return what is missing: the program `ssh`."""
        return None if shutil.which("ssh") else "the program 'ssh' is not installed; install OpenSSH's client"

    @classmethod
    def backends(cls) -> Mapping[str, str | None]:
        """Return what enforces each limit; what the host can't do fails the start there."""
        return {
            "memory": _BY_KEEPER,
            "cpu_time": _BY_KEEPER,
            "processes": _BY_KEEPER,
            "open_files": "RLIMIT_NOFILE on the host, for each process",
            "file_size": "RLIMIT_FSIZE on the host, for each file",
            "nice": "setpriority on the host",
            "ionice": "ioprio_set on the host",
        }

    @classmethod
    def unenforceable(cls, limits: Limits) -> Mapping[str, str]:
        """Return nothing: what a host can't enforce is only known there."""
        del limits
        return {}

    @classmethod
    def unsupported_keys(cls) -> Mapping[str, str]:
        """Return the keys that a host can't honour."""
        return {"user": 'the user on the host is that of the login; set it in your ssh_config, or host = "user@host"'}

    def summary(self) -> str:
        """Return the host."""
        return summarize(self.type, self.host)

    def describe(self) -> str:
        """Return where jobs run as part of a sentence."""
        return f"on {self.host}, by ssh"

    def job_warnings(self, job: Job, context: JobContext) -> Mapping[str, str]:
        """Return what of a job means something else on a host."""
        return describe_problem_of_job(job)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Connect, and return what keeps the host from running jobs: the line, its key, Python, its disk."""
        return find_problems(self.host, self.config, self.python, self.directory)

    async def check_readiness(self) -> str | None:
        """Return why there is no connection to the host."""
        return await self._open_link().wait_until_open(READY_SECONDS)

    async def start(self, assignment: Assignment) -> Execution:
        """Have the host start the attempt, as soon as it can be reached. Errors: ValueError, OSError."""
        request = await asyncio.to_thread(build_request, assignment, self.orphans)
        if not request["argv"]:
            raise ValueError('the ssh executor needs "command" or "shell"')
        return self._add(RemoteAttempt(self._open_link(), assignment, request))

    async def find(
        self, assignment: Assignment, handle: Mapping[str, Any] | None
    ) -> Execution | Result | NeverStarted | None:
        """Return the attempt as the host knows it; while it can't be reached, an attempt whose state is open."""
        attempt = self._add(RemoteAttempt(self._open_link(), assignment, None))
        try:
            await asyncio.wait_for(attempt.known.wait(), FIND_SECONDS)
        except TimeoutError:
            return attempt
        return attempt.outcome if attempt.has_ended else attempt

    async def close(self) -> None:
        """Close the line; attempts under way go on, and the next daemon finds them."""
        if self._link is not None:
            await self._link.close()
            self._link = None
        for attempt in self._attempts.values():
            attempt.leave()
        self._attempts.clear()

    def _open_link(self) -> HostLink:
        if self._link is None:
            self._link = HostLink(self.host, self.config, self.python, self.directory)
        return self._link

    def _add(self, attempt: RemoteAttempt) -> RemoteAttempt:
        for token in [token for token, known in self._attempts.items() if known.has_ended]:
            del self._attempts[token]
        self._attempts[attempt.token] = attempt
        self._open_link().add(attempt)
        return attempt
