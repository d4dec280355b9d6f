"""Requesters: who asked for a job to be added, or for a run."""

from datetime import datetime
from enum import StrEnum

from attrs import frozen

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import JobId, RunId

MAX_CLIENT_CHARACTERS = 64
"""Length of the name of a client."""

UNKNOWN_RUN = RunId("")
"""The id of a run that certainly exists, but can't be identified."""


class RequestWay(StrEnum):
    """The way by which a request came."""

    COMMAND_LINE = "command_line"
    MCP = "mcp"
    PYTHON = "python"
    SOCKET = "socket"
    """A program of its own at the control socket."""


@frozen(kw_only=True)
class Requester:
    """The origin of a request, made `at` an instant. `client` is what the program calls itself: its own word alone.

    `run` and `job` are set if it came from inside a run; `run` is `UNKNOWN_RUN` if the run can't be identified.
    """

    at: datetime
    via: RequestWay
    user: str = ""
    client: str = ""
    run: RunId | None = None
    job: JobId | None = None

    def describe(self) -> str:
        """Return it as a clause after "added by" or "triggered by"."""
        who = _WORDS[self.via] if not self.client else f"{quote(self.client)} through {_WAYS[self.via]}"
        if self.run is not None:
            which = "a run that can't be told" if self.run == UNKNOWN_RUN else f"run {self.run}"
            of = f" of job {quote(self.job)}" if self.job else ""
            return f"{which}{of}, through {_WAYS[self.via]}"
        return f"{who}, as user {self.user}" if self.user else who

    @property
    def is_program(self) -> bool:
        """True if the request certainly wasn't typed by a person, but is of an agent, a run or a named program."""
        return self.run is not None or bool(self.client) or self.via is RequestWay.MCP


_WAYS = {
    RequestWay.COMMAND_LINE: "the command line",
    RequestWay.MCP: "rae-auto mcp",
    RequestWay.PYTHON: "Python",
    RequestWay.SOCKET: "the control socket",
}
_WORDS = {
    RequestWay.COMMAND_LINE: "the command line",
    RequestWay.MCP: "an agent through rae-auto mcp",
    RequestWay.PYTHON: "a Python program",
    RequestWay.SOCKET: "a program at the control socket",
}
