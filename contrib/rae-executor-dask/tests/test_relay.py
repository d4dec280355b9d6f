"""The relay in a worker's process, with keepers that fail: each message of a helper has a reply."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rae_executor_dask.cluster.relay_program import RelayProgram
from rae_executor_dask.remote import relay as relay_module
from rae_executor_dask.remote.relay import Relay

LIMIT_SECONDS = 60.0

KEEPER = """
import json, socket
channel = socket.socket(fileno=0)
for line in channel.makefile("rb"):
    message = json.loads(line)
    if message["do"] == "lease":
        continue
    {answer}
"""

REPLY = 'channel.sendall(json.dumps({"id": message["id"], "failed": None, "reports": []}).encode() + b"\\n")'
FAULTS = {
    "it ends": "break",
    "not JSON": "channel.sendall(b'oh\\n')",
    "no message": "channel.sendall(b'7\\n')",
    "no id": "channel.sendall(b'{}\\n')",
}


class Keepers:
    """Programs in place of the keeper, and how many have been started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer = REPLY
        self.processes: list[subprocess.Popen[bytes]] = []
        monkeypatch.setattr(relay_module, "_spawn", self._spawn)
        monkeypatch.setattr(relay_module, "CLAIM_SECONDS", 0.01)

    def _spawn(self, _: list[str], channel: int) -> "subprocess.Popen[bytes]":
        program = KEEPER.format(answer=self.answer)
        self.processes.append(subprocess.Popen([sys.executable, "-I", "-S", "-c", program], stdin=channel))
        return self.processes[-1]


@pytest.fixture
def keepers(monkeypatch: pytest.MonkeyPatch) -> Keepers:
    return Keepers(monkeypatch)


def play(tmp_path: Path, scene: Callable[[Relay], Coroutine[Any, Any, None]]) -> None:
    async def ncores(workers: list[str]) -> dict[str, int]:
        return dict.fromkeys(workers, 1)

    async def limited() -> None:
        worker = SimpleNamespace(
            address="tcp://10.0.0.6:1", name="w", status=SimpleNamespace(name="running"), log_event=lambda *_: None
        )
        worker.scheduler = SimpleNamespace(ncores=ncores)
        settings = RelayProgram(str(tmp_path), 60.0).describe(worker.address)["SETTINGS"]
        relay = Relay(worker, settings)
        async with asyncio.timeout(LIMIT_SECONDS):
            await scene(relay)
            # As a worker that is closed: its tasks end, and its keeper.
            worker.status.name = "closed"
            relay._let_go()
            await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task(), relay.lease_task})
        if relay.lease_task is not None:
            relay.lease_task.cancel()

    asyncio.run(limited())


async def ask(relay: Relay, **message: Any) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(await relay.handle(json.dumps(message)))
    return reply


def spawns(*tokens: str) -> dict[str, Any]:
    return {"do": "batch", "messages": [{"do": "spawn", "token": token} for token in tokens]}


async def wait_for_tasks(relay: Relay, *tokens: str) -> None:
    """Have the tasks of attempts ask."""
    asked = asyncio.Event()
    relay.worker.log_event = lambda *_: asked.set()
    for token in tokens:
        asyncio.get_running_loop().call_soon(asyncio.ensure_future, relay.run_task(token, "topic"))
    await asked.wait()


@pytest.mark.parametrize("fault", FAULTS)
def test_keeper_that_fails_in_a_batch_leaves_nothing_waiting(fault: str, tmp_path: Path, keepers: Keepers) -> None:
    async def scene(relay: Relay) -> None:
        await wait_for_tasks(relay, "run.1", "run.2")
        keepers.answer = FAULTS[fault]
        reply = await ask(relay, **spawns("run.1", "run.2"))
        assert "the keeper has ended" in reply["error"]
        assert all(attempt.over.is_set() for attempt in relay.attempts.values())
        # The next keeper serves those that come then; what may have been started isn't started again.
        keepers.answer = REPLY
        await wait_for_tasks(relay, "run.1", "run.2", "run.3")
        assert (await ask(relay, **spawns("run.1", "run.3", "run.4")))["answers"] == [None, None, {"gone": True}]
        assert len(keepers.processes) == 2

    play(tmp_path, scene)


def test_messages_that_come_at_once_share_one_keeper(tmp_path: Path, keepers: Keepers) -> None:
    async def scene(relay: Relay) -> None:
        tokens = [f"run.{number}" for number in range(5)]
        await wait_for_tasks(relay, *tokens)
        polls = [ask(relay, do="poll", session="s", seconds=0, attempts={}) for _ in range(5)]
        replies = await asyncio.gather(*(ask(relay, **spawns(token)) for token in tokens), *polls)
        assert [reply.get("answers", reply.get("reports")) for reply in replies] == [[None]] * 5 + [[]] * 5
        assert len(keepers.processes) == 1

    play(tmp_path, scene)


def test_worker_without_memory_for_a_keeper_says_so(
    tmp_path: Path, keepers: Keepers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(12, "Cannot allocate memory")

    async def scene(relay: Relay) -> None:
        await wait_for_tasks(relay, "run.1")
        with monkeypatch.context() as patch:
            patch.setattr(relay_module, "_spawn", refuse)
            reply = await ask(relay, do="poll", session="s", seconds=0, attempts={})
            assert "Cannot allocate memory" in reply["error"]
        assert (await ask(relay, **spawns("run.1")))["answers"] == [None]

    play(tmp_path, scene)
