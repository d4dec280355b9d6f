"""The executor: its options, and attempts started, found again and left behind."""

import asyncio
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import define, field

from rae_auto.api import Assignment
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.toml_values import format_toml
from rae_executor_ssh.host_link import HostLink
from rae_executor_ssh.probe import find_problems
from rae_executor_ssh.ssh_attempt import SshAttempt
from rae_executor_ssh.ssh_command import DEFAULT_DIRECTORY
from rae_plugins.executors.remote.attempt import RemoteAttempt
from rae_plugins.executors.remote.executor import RemoteExecutor, orphans_field

READY_SECONDS = 5.0
"""Time that the first connection may take before a start waits with the reason."""

CONFIRM_SECONDS = 2.0
"""Time that the host may take to confirm a start before the run waits with the reason."""


def _check_host(_: object, __: object, host: str) -> None:
    if not host or host.startswith("-") or any(character.isspace() for character in host) or not host.isprintable():
        raise ValueError(f'must be a name that \'ssh\' takes, as in "nas" or "me@nas", not {format_toml(host)}')


def _check_word(_: object, attribute: Any, text: str) -> None:
    unsafe = set(" \t\n'\"\\$`;&|<>(){}*?[]!#~") - ({"~"} if attribute.name == "directory" else set())
    if not text or set(text) & unsafe:
        what = f'"{attribute.name}" must be a path without spaces and signs that a shell obeys'
        raise ValueError(f"{what}, not {format_toml(text)}")


@define(kw_only=True, eq=False)
class SshExecutor(RemoteExecutor):
    """Runs `command` or `shell` on another machine, by the system's `ssh`.

    A keeper on the host holds the job, enforces limits and timeout, and records the exit status. A cut line, a sleeping
    laptop or a killed daemon therefore end nothing: the connection is made again, and the attempt adopted.
    """

    type: ClassVar[str] = "ssh"
    finds_from_anywhere: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"host": "nas"}

    host: str = field(
        validator=_check_host, metadata={"help": "the host, as `ssh` takes it: a name of your ssh_config"}
    )
    config: str | None = field(
        default=None,
        metadata={"help": "file of settings for `ssh`; by default those of the user and the system", "is_path": True},
    )
    python: str = field(default="python3", validator=_check_word, metadata={"help": "Python on the host, 3.9 or later"})
    directory: str = field(
        default=DEFAULT_DIRECTORY, validator=_check_word, metadata={"help": "folder for runs on the host"}
    )
    orphans: Literal["kill", "allow"] = orphans_field()
    _link: HostLink | None = field(init=False, default=None)

    @classmethod
    def available(cls) -> str | None:
        """Return what is missing: the program `ssh`."""
        return None if shutil.which("ssh") else "the program 'ssh' is not installed; install OpenSSH's client"

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

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Connect, and return what keeps the host from running jobs: the line, its key, Python, its disk."""
        return find_problems(self.host, self.config, self.python, self.directory)

    async def check_readiness(self) -> str | None:
        """Return why there is no connection to the host."""
        return await self.open_line().wait_until_open(READY_SECONDS)

    async def start(self, assignment: Assignment) -> RemoteAttempt:
        """Have the attempt started, and return once the host has confirmed that, or takes long to."""
        attempt = await super().start(assignment)
        with suppress(TimeoutError):
            await asyncio.wait_for(attempt.known.wait(), CONFIRM_SECONDS)
        return attempt

    def make_attempt(self, assignment: Assignment, request: Mapping[str, Any] | None) -> SshAttempt:
        """Return an attempt on the host."""
        return SshAttempt(self.open_line(), assignment, request)

    def open_line(self) -> HostLink:
        """Return the line to the host."""
        if self._link is None:
            self._link = HostLink(self.host, self.config, self.python, self.directory)
        return self._link

    async def close(self) -> None:
        """Close the line; attempts under way go on, and the next daemon finds them."""
        if self._link is not None:
            await self._link.close()
            self._link = None
        await super().close()
