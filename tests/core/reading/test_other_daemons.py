"""Daemons that answer otherwise than expected: of an earlier version, and one that takes over at this moment."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rae_auto.api.shared_store import Leader
from rae_auto.errors import BadRequest
from rae_auto.offline.leadership import Lead
from rae_auto.reading import standby_status
from rae_auto.reading.daemon_records import DaemonRecords
from rae_auto.reading.standby_status import describe_role

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LEADER = Leader(node="nas-1", host="nas", pid=4711, since=NOON)


def test_starts_are_read_from_a_daemon_that_knows_no_limit_for_each_job() -> None:
    asked = []

    async def ask(command: str, **arguments: Any) -> list[dict[str, Any]]:
        asked.append(sorted(arguments))
        if "max_each" in arguments:
            raise BadRequest("unknown argument 'max_each'")
        return [{"job": "a", "due_at": NOON.isoformat(), "starts_at": None, "note": ""}]

    records: Any = SimpleNamespace(_ask=ask)
    found = asyncio.run(DaemonRecords._read_starts(records, None, NOON, NOON + timedelta(days=1), 10, 5))
    assert [one["job"] for one in found] == ["a"]
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"state": "running", "pid": 1, "jobs": 3}, {"state": "running", "pid": 1, "jobs": 3}),
        ({"state": "standby", "pid": 1}, {"state": "standby", "pid": 1, "silent_seconds": None}),
        ({"state": "standby", "pid": 1, "silent_seconds": 1.5}, {"state": "standby", "silent_seconds": 1.5}),
    ],
    ids=["has taken over", "of an earlier version", "stands by"],
)
def test_role_is_what_the_daemon_here_says(
    monkeypatch: pytest.MonkeyPatch, own: dict[str, Any], expected: dict[str, Any]
) -> None:
    async def ask(*_: object) -> dict[str, Any]:
        return own

    monkeypatch.setattr(standby_status, "ask", ask)
    project: Any = SimpleNamespace(lead=Lead(LEADER, has_daemon=True, is_own=False), directory=Path())
    role = asyncio.run(describe_role(project))
    assert {name: role[name] for name in expected} == expected
    assert role["state"] != "standby" or role["leader"]["host"] == "nas"
