"""A node that stands by: it looks after what it started, whatever else the store holds."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.log_lines import captured_log
from tests.support.runs import make_run

from rae_auto.api.executor import Execution, Executor
from rae_auto.api.shared_store import Leader, Node, NodeMessage, Standby
from rae_auto.api.store import CorruptDocument, Document
from rae_auto.errors import StoreError
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.run import Result, RunState
from rae_auto.runtime.sharing import notices, standby
from rae_auto.runtime.sharing.messages import CancelRequest, ConfirmedEnd, encode_cancel, encode_confirmed_end
from rae_auto.runtime.sharing.standby import StandbyDuty
from rae_auto.testing.harness.skipping_loop import SkippingLoop
from rae_auto.toolkit.threads import duties
from rae_auto.toolkit.threads.duties import keep_going

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LEADS = Standby(leader=Leader(node="nas-1", host="nas", pid=1, since=NOON))
RUN = make_run("backup", at=NOON, state=RunState.RUNNING, attempt=1, node="here-2")
LIMIT_SECONDS = 20.0


class FakeStore:
    """A store with open runs, and without notices."""

    def __init__(self, runs: Sequence[tuple[str, Document | CorruptDocument]]) -> None:
        self.runs, self.inbox = runs, list[NodeMessage]()
        self.sent: list[Any] = []

    def watch(self, _: object, __: object) -> None:
        return

    def load(self, _: str) -> Iterator[tuple[str, Document | CorruptDocument]]:
        return iter(self.runs)

    def receive(self, _: str) -> Sequence[NodeMessage]:
        return list(self.inbox)

    def discard(self, ids: Sequence[int]) -> None:
        self.inbox = [one for one in self.inbox if one.id not in ids]

    def send(self, _: str, __: str, bodies: Sequence[Any]) -> None:
        self.sent += bodies


class Found(Execution):
    """An attempt that runs until it is cancelled."""

    def __init__(self) -> None:
        self.is_cancelled = asyncio.Event()

    @property
    def handle(self) -> dict[str, Any]:
        return {"pid": os.getpid()}

    async def wait(self) -> Result:
        await self.is_cancelled.wait()
        return Result(exit_code=7)

    async def cancel(self, grace: timedelta) -> None:
        self.is_cancelled.set()


class FindingExecutor(Executor):
    """Finds each attempt alive."""

    type = "finding"

    async def start(self, assignment: Any) -> Execution:
        raise NotImplementedError

    async def find(self, assignment: Any, handle: Any) -> Execution:
        return Found()


async def play(store: FakeStore, place: Path, act: Callable[[], bool]) -> list[Any]:
    """Stand by until `act`, which is called again and again, returns True; return what was reported."""
    node = Node(name="here-2", host="here", directory=str(place))
    duty = StandbyDuty(store, node, lambda _: FindingExecutor(), {}, {"backup": Job(id="backup", command="true")})  # type: ignore[arg-type]
    duty.note(LEADS)
    deadline = time.monotonic() + LIMIT_SECONDS
    while not act():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.01)
    await duty.close()
    return store.sent


@pytest.mark.parametrize(
    "damaged", [{"id": 5, "state": "of a later version"}, {}, CorruptDocument("its checksum is wrong", "")]
)
def test_run_that_is_unreadable_leaves_the_others_looked_after(tmp_path: Path, damaged: Any) -> None:
    store = FakeStore([("x", damaged), (RUN.id, documents.dump(RUN))])
    sent = asyncio.run(play(store, tmp_path, lambda: bool(store.sent)))
    assert [(body["found"], body["handle"]) for body in sent] == [(RUN.id, {"pid": os.getpid()})]


def test_cancel_is_read_without_its_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "NOTICE_SECONDS", 0.05)
    store = FakeStore([(RUN.id, documents.dump(RUN))])
    request = NodeMessage(1, "nas-1", encode_cancel(CancelRequest(RUN.id, 1, timedelta(seconds=1))))

    def cancel_once_found() -> bool:
        if store.sent and "ended" not in store.sent[-1] and not store.inbox:
            store.inbox = [request]
        return bool(store.sent) and "ended" in store.sent[-1]

    assert asyncio.run(play(store, tmp_path, cancel_once_found))[-1]["result"] == {"exit_code": 7}


def test_request_that_is_unreadable_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one ends the attempt, although it has come before the store could be read."""
    monkeypatch.setattr(standby, "RETRY_SECONDS", 0.05)
    store, tries = FakeStore([(RUN.id, documents.dump(RUN))]), list[int]()
    load = store.load

    def load_later(kind: str) -> Iterator[tuple[str, Document | CorruptDocument]]:
        tries.append(1)
        if len(tries) == 1:
            raise StoreError("no connection")
        return load(kind)

    store.load = load_later  # type: ignore[method-assign]
    bodies: list[Any] = [
        {"cancel": RUN.id, "attempt": 1, "grace": 1e300},
        {"cancel": [RUN.id], "attempt": 1, "grace": 1},
        {"cancel": RUN.id, "attempt": float("inf"), "grace": 1},
        None,
        encode_cancel(CancelRequest(RUN.id, 1, timedelta(seconds=1))),
    ]
    store.inbox = [NodeMessage(number, "nas-1", body) for number, body in enumerate(bodies)]
    with captured_log() as lines:
        asyncio.run(play(store, tmp_path, lambda: any("ended" in body for body in store.sent)))
    assert not store.inbox
    assert sum('of node "nas-1" can\'t be read, so it is discarded' in line for line in lines) == 4


def test_report_is_sent_after_a_fault_without_another_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duties, "RESTART_SECONDS", 0.01)
    store, tries = FakeStore([(RUN.id, documents.dump(RUN))]), list[int]()
    send = store.send

    def send_at_second(sender: str, recipient: str, bodies: Sequence[Any]) -> None:
        tries.append(len(bodies))
        if len(tries) == 1:
            raise RuntimeError("a fault that is no StoreError")
        send(sender, recipient, bodies)

    store.send = send_at_second  # type: ignore[method-assign]
    assert [body["found"] for body in asyncio.run(play(store, tmp_path, lambda: bool(store.sent)))] == [RUN.id]


def test_duty_that_fails_rarely_starts_again_soon() -> None:
    """Only faults in a row make the pause grow: a fault a month ago says nothing about this one."""
    failed_at, now = list[float](), asyncio.get_running_loop

    async def fail_after_an_hour() -> None:
        if len(failed_at) < 4:
            await asyncio.sleep(3_600 if len(failed_at) > 1 else 0)
            failed_at.append(now().time())
            raise LookupError("unexpected")
        failed_at.append(now().time())

    with captured_log(), asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(keep_going("send reports", fail_after_an_hour))
    assert failed_at == [0.0, 1.0, 3_603.0, 7_204.0, 7_205.0]


def test_end_that_the_leader_confirms_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "NOTICE_SECONDS", 0.05)
    confirmed = list[Any]()
    monkeypatch.setattr(FindingExecutor, "confirm_ends", lambda _, attempts: confirmed.extend(attempts))
    store = FakeStore([(RUN.id, documents.dump(RUN))])
    word = NodeMessage(1, "nas-1", encode_confirmed_end(ConfirmedEnd(RUN.id, 1)))

    def confirm_once_found() -> bool:
        if store.sent and not confirmed:
            store.inbox = [word]
        return bool(confirmed)

    asyncio.run(play(store, tmp_path, confirm_once_found))
    assert set(confirmed) == {(RUN.id, 1)}


def test_duty_that_fails_is_logged_and_starts_again() -> None:
    tries = []

    async def fail_twice() -> None:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) < 3:
            raise LookupError("unexpected")

    with captured_log() as lines, asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(keep_going("send reports", fail_twice))
    assert tries == [0.0, 1.0, 3.0]
    assert sum('the duty "send reports" failed, and starts again' in line for line in lines) == 2


def test_secrets_that_are_unreadable_leave_attempts_looked_after(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("a file where a folder should be, as a damaged disk shows it")
    store = FakeStore([(RUN.id, documents.dump(RUN))])
    with captured_log() as lines:
        sent = asyncio.run(play(store, tmp_path, lambda: bool(store.sent)))
    assert [body["found"] for body in sent] == [RUN.id]
    assert any("secrets: can't be read" in line and "remove them by hand" in line for line in lines)
