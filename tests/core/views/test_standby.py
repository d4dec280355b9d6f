"""A daemon that stands by says so, and who leads."""

import asyncio
from datetime import UTC
from pathlib import Path

from rae_auto.api.shared_store import Leader, Standby
from rae_auto.daemon.answers.early_commands import EarlyCommands
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.views.monitoring.health import HealthLevel, check_facts
from rae_auto.views.status import judge_health, status_lines

SINCE = parse_instant("2026-01-31T12:00:00+00:00")
LEADER = Leader(node="nas-1", host="nas", pid=4711, since=SINCE)


async def _stop(*_: object, **__: object) -> None:
    """Stop nothing."""


def commands() -> EarlyCommands:
    return EarlyCommands(Path("state"), Path("rae.toml"), _stop, timezone="Asia/Tokyo", max_parallel=3)


def test_daemon_that_stands_by_says_who_leads() -> None:
    early = commands()
    refusal = early.stand_by(Standby(leader=LEADER))
    assert refusal == "this daemon stands by; process 4711 on nas leads, so ask there"
    status = asyncio.run(early.status({}))
    assert (status["state"], status["problems"]) == ("standby", [])
    health = judge_health(status, UTC, SINCE)
    assert health.ok
    assert health.text == "Stands by: process 4711 on nas has been leading since 2026-01-31 12:00:00"
    (check,) = check_facts(asyncio.run(early.health({})))
    assert (check.level, check.text) == (HealthLevel.OK, "stands by; process 4711 on nas leads")


def test_knowledge_of_the_leader_is_as_old_as_its_last_sign_of_life() -> None:
    """It may have been killed, and its claim hold on."""
    early, ages = commands(), iter([0.7, 3.2])
    early.stand_by(Standby(leader=LEADER, silent_seconds=lambda: next(ages)))
    texts = [judge_health(asyncio.run(early.status({})), UTC, SINCE).text for _ in range(2)]
    known = "Stands by: process 4711 on nas had been leading since 2026-01-31 12:00:00 when it was last heard from, "
    assert texts == [f"{known}700 ms ago", f"{known}3.2 s ago"]


def test_daemon_that_stands_by_is_not_asked_for_more() -> None:
    early = commands()
    assert asyncio.run(early.ping({}))["refusal"] is None
    refusal = early.stand_by(Standby(leader=LEADER))
    assert asyncio.run(early.ping({}))["refusal"] == refusal


def test_daemon_that_starts_says_what_its_configuration_has() -> None:
    answer = asyncio.run(commands().ping({}))
    assert (answer["config"], answer["timezone"], answer["max_parallel"]) == ("rae.toml", "Asia/Tokyo", 3)


def test_daemon_that_waits_for_its_store_says_why() -> None:
    early = commands()
    assert early.stand_by(Standby(problem="the server is away")).endswith("waits for its store: the server is away")
    status = asyncio.run(early.status({}))
    assert status["problems"] == ["the server is away"]
    assert not judge_health(status, UTC, SINCE).ok


def test_leader_lists_who_stands_by_and_who_is_silent() -> None:
    roles = {"nas-1": ("leads", 0), "pi-2": ("stands by", 1), "nuc-3": ("silent", 93), "old-4": ("declared dead", 900)}
    nodes = [
        {"node": name, "host": "home", "pid": 7, "role": role, "silent_seconds": silent}
        for name, (role, silent) in roles.items()
    ]
    status = {**asyncio.run(commands().status({})), "state": "running", "node": "nas-1", "nodes": nodes}
    assert status_lines(status, UTC, SINCE)[2] == (
        '3 other nodes: "pi-2" stands by, seen 1 s ago (process 7 on home); '
        'nothing heard of "nuc-3" for 93 s (process 7 on home); "old-4" was declared dead (process 7 on home)'
    )
    assert len(status_lines({**status, "nodes": nodes[:1]}, UTC, SINCE)) == 2


def test_leader_names_its_node() -> None:
    status = {**asyncio.run(commands().status({})), "state": "running", "node": "nas-1"}
    assert 'running, leads as node "nas-1",' in status_lines(status, UTC, SINCE)[1]
