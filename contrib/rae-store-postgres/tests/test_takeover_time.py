"""The time that a take-over takes by design: the protocol of the claim, played on a clock that skips its waits."""

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from rae_store_postgres import claim
from rae_store_postgres.claim import Claim
from rae_store_postgres.migration import VERSION
from rae_store_postgres.store import PostgresStore

from rae_auto.api.shared_store import SILENT_SECONDS, Node
from rae_auto.runtime.recovery import TAKE_OVER_FIND_SECONDS
from rae_auto.runtime.sharing.standby import RETRY_SECONDS
from rae_auto.testing.harness.skipping_loop import SkippingLoop

GOAL_SECONDS = 5.0
MARGIN_SECONDS = 0.4
"""Time that is left for work: to read the store, to decide, to commit, and to start a process."""

LEASE = PostgresStore(dsn="postgresql:///").lease.total_seconds()
LEADER, STANDBY = Node(name="nas-1", host="nas", pid=1), Node(name="laptop-2", host="laptop", pid=2)


class Server:
    """The row of the claim, and a connection to it."""

    def __init__(self) -> None:
        self.token, self.node, self.expires_at = 0, LEADER, 0.0
        self.statements: Counter[str] = Counter()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def is_closed(self) -> bool:
        return False

    def terminate(self) -> None:
        pass

    def add_termination_listener(self, _: Any) -> None:
        pass

    async def add_listener(self, *_: Any) -> None:
        pass

    async def execute(self, statement: str, *_: Any) -> None:
        self.statements[statement] += 1

    async def fetchrow(self, statement: str) -> dict[str, Any]:
        self.statements[statement] += 1
        since = datetime(2026, 1, 1, tzinfo=UTC)
        return {"node": self.node.name, "host": "", "pid": 1, "since": since, "left": self.expires_at - self.now}

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        self.statements[statement] += 1
        if statement == claim._TAKE:
            if self.expires_at > self.now:
                return None
            self.token, self.expires_at = self.token + 1, self.now + LEASE
            return self.token
        if statement == claim._RENEW:
            if arguments[0] != self.token:
                return None
            self.expires_at = self.now + LEASE
            return self.now
        return VERSION


def make_claim(server: Server) -> Claim:
    async def connect() -> Server:
        return server

    address: Any = SimpleNamespace(connect=connect, explain=lambda error: error, place="PostgreSQL", schema="rae_auto")
    return Claim(address, timedelta(seconds=LEASE))


async def play(dies_at: float, joins_at: float) -> tuple[float, Counter[str]]:
    """Return how long after the leader's death another daemon had the claim, and the statements of its wait."""
    server, leader, standby = Server(), None, None
    leader = make_claim(server)
    await leader.wait(LEADER, lambda _: None)
    await asyncio.sleep(joins_at)
    server.statements.clear()
    standby = make_claim(server)
    waiting = asyncio.create_task(standby.wait(STANDBY, lambda _: None))
    await asyncio.sleep(max(dies_at - joins_at, 0.0))
    # It is killed: it renews its claim no more, and lets go of nothing.
    assert leader._renewing is not None
    leader._renewing.cancel()
    died_at = server.now
    await waiting
    taken_at = server.now
    assert standby._renewing is not None
    standby._renewing.cancel()
    return taken_at - died_at, server.statements


@pytest.mark.parametrize("seed", range(50))
def test_claim_is_taken_as_soon_as_its_lease_is_over(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    joins_at = chance.uniform(0, 10)
    dies_at = joins_at + chance.uniform(0, 10)
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        monkeypatch.setattr(claim, "time", SimpleNamespace(monotonic=runner.get_loop().time, time=lambda: 0.0))
        seconds, statements = runner.run(play(dies_at, joins_at))
    assert seconds <= LEASE + 0.02
    # It looks once for each claim that it saw, and doesn't poll.
    looks = statements[claim._LOOK]
    assert looks <= 3 + (dies_at - joins_at + LEASE) / (LEASE * 2 / 3)


class Line:
    """A connection to the server, whose other end can vanish without a word."""

    def __init__(self, server: Server) -> None:
        self._server, self.is_dead, self._is_closed = server, False, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def is_closed(self) -> bool:
        return self._is_closed

    def terminate(self) -> None:
        self._is_closed = True

    async def fetchrow(self, statement: str) -> dict[str, Any]:
        if self.is_dead:
            await asyncio.sleep(3600)
        return await self._server.fetchrow(statement)


async def play_dead_line(dies_at: float) -> float:
    """Return the seconds of a take-over where the line of the stand-by dies together with the leader."""
    server, lines = Server(), list[Line]()
    leader, standby = make_claim(server), make_claim(server)

    async def connect() -> Line:
        lines.append(Line(server))
        return lines[-1]

    standby._address.connect = connect  # type: ignore[method-assign]
    await leader.wait(LEADER, lambda _: None)
    waiting = asyncio.create_task(standby.wait(STANDBY, lambda _: None))
    await asyncio.sleep(dies_at)
    assert leader._renewing is not None
    leader._renewing.cancel()
    lines[-1].is_dead, died_at = True, server.now
    await waiting
    assert standby._renewing is not None
    standby._renewing.cancel()
    assert lines[0].is_closed()
    return server.now - died_at


@pytest.mark.parametrize("seed", range(10))
def test_standby_whose_line_has_died_connects_again(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        monkeypatch.setattr(claim, "time", SimpleNamespace(monotonic=runner.get_loop().time, time=lambda: 0.0))
        seconds = runner.run(play_dead_line(random.Random(seed).uniform(1, 10)))
    assert seconds <= LEASE + claim.MIN_ANSWER_SECONDS + 0.02


def test_standby_is_seen_often_however_long_the_lease_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "LEASE", 300.0)
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        monkeypatch.setattr(claim, "time", SimpleNamespace(monotonic=runner.get_loop().time, time=lambda: 0.0))
        seconds, statements = runner.run(play(dies_at=100.0, joins_at=0.0))
    assert 300.0 - 100.0 <= seconds <= 300.02
    assert statements[claim._SEEN] >= (100.0 + seconds) / (SILENT_SECONDS / 3)


def test_all_waits_of_a_take_over_are_within_the_goal() -> None:
    """A stand-by lets go of its own attempts, and asks its executors for them: both have a limit."""
    assert LEASE + 0.02 + RETRY_SECONDS + TAKE_OVER_FIND_SECONDS <= GOAL_SECONDS - MARGIN_SECONDS
