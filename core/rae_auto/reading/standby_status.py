"""The status of a machine whose store is led by the daemon of another one."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rae_auto.control.asking import ask
from rae_auto.control.client import unreachable
from rae_auto.errors import DaemonUnreachable
from rae_auto.offline.project import Project


async def ask_standby(project: Project, command: str) -> Mapping[str, Any]:
    """Return the answer of the daemon that stands by in a state directory. Errors: DaemonUnreachable without one."""
    if project.lead is None:
        raise unreachable(project.directory)
    if not project.lead.stands_by:
        raise DaemonUnreachable(project.lead.text)
    answer: Mapping[str, Any] = await ask(project.directory, command)
    return answer


async def describe_role(project: Project) -> dict[str, Any]:
    """Return the fields of a status that differ from those of a store because another daemon leads; none otherwise."""
    lead = project.lead
    if lead is None:
        return {}
    leader = lead.leader
    found: dict[str, Any] = {
        "state": "standby",
        "leader": {"node": leader.node, "host": leader.host, "pid": leader.pid, "since": leader.since.isoformat()},
        "down_since": None,
    }
    with suppress(DaemonUnreachable):
        own = await ask_standby(project, "status")
        if own.get("state") not in ("standby", "starting"):
            # It has taken over meanwhile.
            return dict(own)
        known = {name: own.get(name) for name in ("pid", "version", "started_at", "silent_seconds")}
        return {**found, **known, "leader": own.get("leader") or found["leader"]}
    return found
