"""Attempts of other nodes, seen from the leader: settled by a word of the node, or by a declaration, never before."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from tests.support.log_lines import captured_log
from tests.support.runs import make_run

from rae_auto.api.shared_store import KnownNode, Node, NodeMessage
from rae_auto.engine.events import AttemptDequeued, AttemptEnded, AttemptFound, Event
from rae_auto.errors import PluginError, StoreError
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import QueuePlace, Result, Run, RunState
from rae_auto.runtime.sharing.elsewhere import Elsewhere, LeaderParts
from rae_auto.runtime.sharing.messages import MAX_AGO_SECONDS, decode_event, encode_event
from rae_auto.testing.harness.skipping_loop import SkippingLoop

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
OTHER, OWN = Node(name="nas-1", host="nas", boot="x", directory="/nowhere"), Node(name="here-2", host="here", boot="y")
RUN = make_run("backup", at=NOON, state=RunState.RUNNING, attempt=1, node="nas-1")


class FakeStore:
    """A store of messages and of what is known of a node."""

    def __init__(self) -> None:
        self.known = KnownNode(node=OTHER, seen_at=NOON, silent_seconds=600.0)
        self.inbox: list[NodeMessage] = []
        self.sent: list[tuple[str, Any]] = []

    def nodes(self) -> Sequence[KnownNode]:
        return [self.known]

    def receive(self, _: str) -> Sequence[NodeMessage]:
        return list(self.inbox)

    def discard(self, ids: Sequence[int]) -> None:
        self.inbox = [one for one in self.inbox if one.id not in ids]

    def send(self, _: str, recipient: str, bodies: Sequence[Any]) -> None:
        self.sent += [(recipient, body) for body in bodies]


class Local:
    """An executor whose attempts are on the machine of the daemon."""

    finds_from_anywhere = False


class Remote:
    """An executor whose attempts are on a third machine, where it finds them from each daemon."""

    finds_from_anywhere = True


def refuse(_: object) -> Any:
    """Have no executor, as where its package isn't installed."""
    raise PluginError("no such plugin here")


async def play(
    store: FakeStore,
    act: Callable[[Elsewhere], None],
    until: Callable[[list[Event]], bool],
    drains: list[bool] | None = None,
    executor_for: Callable[[Any], Any] = lambda _: Local(),
    before_adopt: Callable[[Sequence[Run]], None] = lambda _: None,
    find_run: Callable[[Any], Run | None] = lambda run: RUN if run == RUN.id else None,
) -> list[Event]:
    """Let the leader look at a run of another node; return the events that it hands the engine.

    `drains` are the first answers to whether all is durable; they are taken out.
    """
    events = list[Event]()

    async def adopt(attempts: Sequence[tuple[Run, Job]]) -> None:
        before_adopt([run for run, _ in attempts])
        events.extend(AttemptFound(run.id, run.attempt, {"host": "nas"}) for run, _ in attempts)

    async def call(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    parts: Any = LeaderParts(
        store=store,  # type: ignore[arg-type]
        node=OWN,
        executor_for=executor_for,
        environment={},
        adopt=adopt,
        submit=events.append,
        drain=lambda: asyncio.sleep(0, drains.pop(0) if drains else True),
        find_run=find_run,
        call=call,
    )
    elsewhere = Elsewhere(parts)
    elsewhere.start([(RUN, Job(id=JobId("backup"), command="true"))])
    act(elsewhere)
    async with asyncio.timeout(20):
        while not until(events):  # noqa: ASYNC110 - whatever the condition looks at
            await asyncio.sleep(0.01)
    await elsewhere.close()
    return events


def test_report_is_read_without_its_notice() -> None:
    store, ended = FakeStore(), AttemptEnded(RUN.id, 1, Result(exit_code=3))
    store.known = evolve(store.known, silent_seconds=0.0)
    message = NodeMessage(1, "nas-1", encode_event(ended) or {})

    def send_without_notice(_: Elsewhere) -> None:
        asyncio.get_running_loop().call_later(7, store.inbox.append, message)

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        assert runner.run(play(store, send_without_notice, bool)) == [ended]


def test_message_stays_until_what_follows_from_it_is_durable() -> None:
    """The engine gets it once, however often it is read meanwhile."""
    store, ended = FakeStore(), AttemptEnded(RUN.id, 1, Result(exit_code=3))
    store.inbox = [NodeMessage(1, "nas-1", encode_event(ended) or {})]
    drains = [False, False, True]
    events = asyncio.run(play(store, lambda _: None, lambda _: not store.inbox, drains))
    assert (events, drains) == ([ended], [])


UNREADABLE_BODIES = [
    {"ended": ["x"], "attempt": 1, "result": {}},
    {"ended": RUN.id, "attempt": float("inf"), "result": {}},
    {"dequeued": RUN.id, "attempt": 1, "ago": "soon"},
    {"found": RUN.id, "attempt": 1, "handle": 7, "started": True},
    {"found": RUN.id, "attempt": 1, "handle": None, "started": True, "queue": ["only a name"]},
    {"cancel": RUN.id, "attempt": 1, "grace": 1e300},
    {},
    ["a list"],
    None,
]
"""Bodies that another program may have written: in each something is of another type, too large, or not there."""


def test_message_that_is_unreadable_holds_up_no_other() -> None:
    store, found, ended = FakeStore(), AttemptFound(RUN.id, 1, {"pid": 7}), AttemptEnded(RUN.id, 1, Result(exit_code=3))
    bodies: list[Any] = [encode_event(found), *UNREADABLE_BODIES, encode_event(ended)]
    store.inbox = [NodeMessage(number, "nas-1", body) for number, body in enumerate(bodies)]
    with captured_log() as lines:
        assert asyncio.run(play(store, lambda _: None, lambda _: not store.inbox)) == [found, ended]
    assert sum('of node "nas-1" can\'t be read, so it is discarded' in line for line in lines) == len(UNREADABLE_BODIES)


@pytest.mark.parametrize("result", [{"tree": 7}, {"ended_at": "yesterday"}, {"exit_code": "none"}, "x", None])
def test_end_with_an_unreadable_result_is_an_end_all_the_same(result: Any) -> None:
    """The outcome is unknown, as that of a lost attempt."""
    store = FakeStore()
    store.inbox = [NodeMessage(1, "nas-1", {"ended": RUN.id, "attempt": 1, "result": result})]
    assert asyncio.run(play(store, lambda _: None, lambda _: not store.inbox)) == [AttemptFound(RUN.id, 1)]


@pytest.mark.parametrize(("ago", "seconds"), [(1e300, MAX_AGO_SECONDS), (float("inf"), MAX_AGO_SECONDS), (-5, 0)])
def test_time_in_a_queue_is_bounded(ago: float, seconds: float) -> None:
    event = decode_event({"dequeued": RUN.id, "attempt": 1, "ago": ago})
    assert event == AttemptDequeued(RUN.id, 1, timedelta(seconds=seconds))


class FullStore(FakeStore):
    """A store that deletes nothing, such as one on a full disk."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox = [NodeMessage(1, "nas-1", {})]
        self.looks = 0

    def receive(self, recipient: str) -> Sequence[NodeMessage]:
        self.looks += 1
        if self.looks > 1_000:
            raise AssertionError("it doesn't wait between its looks")
        return super().receive(recipient)

    def discard(self, ids: Sequence[int]) -> None:
        raise StoreError("no space left")


def test_messages_that_can_not_be_discarded_are_looked_at_once_a_second() -> None:
    store = FullStore()
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        loop = runner.get_loop()
        runner.run(play(store, lambda _: None, lambda _: loop.time() > 10))
    assert 5 <= store.looks <= 15


def test_run_of_a_silent_node_waits_and_says_so() -> None:
    store, described = FakeStore(), list[str | None]()

    def has_described(_: list[Event]) -> bool:
        return any(described[-1:])

    def look(elsewhere: Elsewhere) -> None:
        described.append(elsewhere.describe(RUN))
        asyncio.get_running_loop().call_later(0.01, look, elsewhere)

    assert asyncio.run(play(store, look, has_described)) == []
    text = described[-1]
    assert text is not None
    assert text.startswith("nothing has been heard of that node for 600 s, and nothing takes the place of attempt 1")


@pytest.mark.parametrize(
    ("node", "facts", "role"),
    [
        (OWN, {"silent_seconds": 0.0}, "leads"),
        (OTHER, {"silent_seconds": 2.0}, "stands by"),
        (OTHER, {"silent_seconds": 600.0}, "silent"),
        (OTHER, {"silent_seconds": 600.0, "fenced_at": NOON}, "declared dead"),
        (evolve(OTHER, name="old-3"), {"silent_seconds": 90_000.0}, None),
    ],
)
def test_nodes_are_listed_with_what_they_do(node: Node, facts: Any, role: str | None) -> None:
    store, tasks = FakeStore(), list["asyncio.Task[Any]"]()
    store.known = KnownNode(node=node, seen_at=NOON, **facts)

    def look(elsewhere: Elsewhere) -> None:
        tasks.append(asyncio.create_task(elsewhere.list_nodes()))

    asyncio.run(play(store, look, lambda _: tasks[0].done()))
    listed = [(state.known.node.name, state.role) for state in tasks[0].result()]
    assert listed == ([] if role is None else [(node.name, role)])


def break_down(_: object) -> Any:
    """Have a broken executor, which fails in a way that no contract names."""
    raise AttributeError("_impl")


@pytest.mark.parametrize("executor_for", [lambda _: Local(), refuse, break_down])
def test_run_of_a_node_that_was_declared_dead_is_lost(executor_for: Callable[[Any], Any]) -> None:
    store = FakeStore()
    store.known = evolve(store.known, fenced_at=NOON)
    events = asyncio.run(play(store, lambda _: None, bool, executor_for=executor_for))
    assert events == [AttemptFound(RUN.id, 1, silent=timedelta(minutes=10))]


def test_attempt_on_a_third_machine_outlives_a_node_declared_dead() -> None:
    """That the node is off proves nothing of it: it is adopted, and a cancel goes to this daemon's executor."""
    store, parties = FakeStore(), list[Elsewhere]()
    store.known = evolve(store.known, fenced_at=NOON)
    events = asyncio.run(play(store, parties.append, bool, executor_for=lambda _: Remote()))
    assert events == [AttemptFound(RUN.id, 1, {"host": "nas"})]
    assert not parties[0].cancel(RUN, timedelta(seconds=5))
    assert store.sent == []


def test_attempts_stay_known_while_looking_for_them_fails() -> None:
    """Others don't wait for it, `problems` names the node, and the next look finds them."""
    store, looks, problems = FakeStore(), list[Sequence[Run]](), list[list[str]]()
    store.known = evolve(store.known, fenced_at=NOON)
    parties = list[Elsewhere]()

    def fail_at_first(runs: Sequence[Run]) -> None:
        looks.append(runs)
        problems.append(parties[0].problems())
        if len(looks) < 3:
            raise OSError(5, "Input/output error")

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        events = runner.run(
            play(store, parties.append, bool, executor_for=lambda _: Remote(), before_adopt=fail_at_first)
        )
    assert events == [AttemptFound(RUN.id, 1, {"host": "nas"})]
    assert looks == [[RUN]] * 3
    assert all("nothing is known of 1 attempt there" in line for (line,) in problems)
    assert parties[0].problems() == []


def test_word_of_its_own_node_ends_a_run_and_that_of_another_does_not() -> None:
    store, ended = FakeStore(), AttemptEnded(RUN.id, 1, Result(exit_code=3))
    body, old = encode_event(ended), encode_event(AttemptFound(RUN.id, 7))
    assert body is not None
    assert old is not None
    store.inbox = [
        NodeMessage(1, "stranger-9", body),
        NodeMessage(2, "nas-1", old),
        NodeMessage(3, "nas-1", body),
        NodeMessage(4, "nas-1", {"unknown": 1}),
    ]
    events = asyncio.run(play(store, lambda _: None, lambda found: bool(found) and not store.inbox))
    assert events == [ended]


@pytest.mark.parametrize(
    ("end", "found", "is_confirmed"),
    [
        (AttemptEnded(RUN.id, 1, Result(exit_code=3)), None, True),
        (AttemptFound(RUN.id, 1, started=False), None, True),
        (AttemptEnded(RUN.id, 1, Result(exit_code=3)), evolve(RUN, attempt=2), True),
        (AttemptEnded(RUN.id, 1, Result(exit_code=3)), RUN, False),
        (AttemptFound(RUN.id, 1, {"token": "x"}), None, False),
    ],
)
def test_node_learns_which_of_its_ends_are_durable(end: Any, found: Run | None, is_confirmed: bool) -> None:
    """Only then its executors may forget an attempt, so that none is forgotten that a later leader asks for."""
    store = FakeStore()
    store.inbox = [NodeMessage(1, "nas-1", encode_event(end) or {})]
    asyncio.run(play(store, lambda _: None, lambda _: not store.inbox, find_run=lambda _: found))
    assert store.sent == ([("nas-1", {"confirm": RUN.id, "attempt": 1})] if is_confirmed else [])


def test_end_of_an_attempt_that_the_leader_follows_is_not_confirmed() -> None:
    """It may have yet to read the output."""
    store, ended = FakeStore(), AttemptEnded(RUN.id, 1, Result(exit_code=3))
    store.known = evolve(store.known, fenced_at=NOON)

    def report(found: list[Event]) -> bool:
        if found and not store.inbox and ended not in found:
            store.inbox = [NodeMessage(1, "nas-1", encode_event(ended) or {})]
        return ended in found and not store.inbox

    known = [RUN]  # Then it is over.

    def find_run(_: str) -> Run | None:
        return known.pop() if known else None

    asyncio.run(
        play(store, lambda elsewhere: elsewhere.wake(), report, executor_for=lambda _: Remote(), find_run=find_run)
    )
    assert store.sent == []


def test_cancel_is_sent_to_the_node_that_has_the_attempt() -> None:
    store = FakeStore()

    def cancel(elsewhere: Elsewhere) -> None:
        elsewhere.cancel(RUN, timedelta(seconds=5))

    asyncio.run(play(store, cancel, lambda _: bool(store.sent)))
    assert store.sent == [("nas-1", {"cancel": RUN.id, "attempt": 1, "grace": 5.0})]


@pytest.mark.parametrize(
    "event",
    [
        AttemptFound(RUN.id, 1, {"token": "x"}, queue=QueuePlace("tcp://10.0.0.5:8786", "a free worker")),
        AttemptFound(RUN.id, 1, started=False),
        AttemptDequeued(RUN.id, 1, timedelta(seconds=2.5), "worker gpu-1"),
        AttemptFound(RUN.id, 1, {"host": "nas"}, queue=QueuePlace("nas", "an answer", may_have_started=True)),
        AttemptEnded(RUN.id, 1, Result(exit_code=3, started_at=NOON)),
    ],
)
def test_report_of_a_node_arrives_as_it_was_sent(event: Event) -> None:
    body = encode_event(event)
    assert body is not None
    assert decode_event(json.loads(json.dumps(body))) == event
