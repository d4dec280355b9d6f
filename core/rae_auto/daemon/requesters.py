"""Requesters at the control socket: who adds a job, or starts a run.

*What can't be forged.* The daemon asks the kernel which process is at the other end of the control socket, and looks
whether that belongs to an active run. A program can say by which way it comes ("mcp", "python"), but it can't say that
it isn't part of a run: neither a changed environment nor a session of its own hides that, and a request whose process
has ended before the daemon looked is refused. Only a job that has another program of the machine act for it, such as
systemd or ssh, isn't recognized.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from rae_auto.api.executor import Executor
from rae_auto.control.peer import peer_pid
from rae_auto.control.requests import client_name, request_way
from rae_auto.errors import BadRequest
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons.requesters import UNKNOWN_RUN, Requester
from rae_auto.runtime.by_hand import find_user
from rae_auto.runtime.runtime import Runtime

ORIGIN_ARGUMENTS = ("via", "client")
"""The arguments by which a request says where it comes from."""


async def find_requester(runtime: Runtime, arguments: Mapping[str, Any]) -> Requester:
    """Return who makes the request that is being answered; a system that doesn't tell who asks shows no run.

    Errors: BadRequest if its process has ended, because then nothing shows whether it belonged to a run.
    """
    via, client = request_way(arguments), client_name(arguments)
    active = [entry.run for entry in runtime.engine.runs() if entry.run.state.active]
    handles = {run.id: run.handle or {} for run in active}
    pid, run = peer_pid.get(), None
    if pid is not None:
        executors = runtime.executions.opened_executors()
        run = await asyncio.to_thread(_find_run, pid, executors, handles)
    job = next((found.job for found in active if found.id == run), None)
    return Requester(at=runtime.now(), via=via, user=find_user(), client=client, run=run, job=job)


def _find_run(pid: int, executors: list[Executor], handles: dict[RunId, Any]) -> RunId | None:
    import psutil  # lazy: memory, asked for rarely

    runs = [executor.find_run(pid, handles) for executor in executors]
    try:
        ancestors = [pid, *(parent.pid for parent in psutil.Process(pid).parents())]
    except psutil.Error:
        raise BadRequest("the program that asks has ended; let it wait for the answer") from None
    if certain := next(filter(None, runs), None):
        return certain
    # What runs in the daemon, or was started by it without a keeper, is a job in a thread.
    return UNKNOWN_RUN if UNKNOWN_RUN in runs or os.getpid() in ancestors else None
