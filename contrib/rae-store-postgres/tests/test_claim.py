"""The claim: one daemon has it, another waits for it, and what comes from one that lost it is refused."""

import threading
import time
from pathlib import Path

import pytest
from attrs import evolve

from rae_auto.api import Delete, Put
from rae_auto.api.shared_store import LEADER, Node
from rae_auto.errors import ClaimLost, StoreError, StoreLocked

FIRST, SECOND = Node(name="nas-1", host="nas", pid=1), Node(name="laptop-2", host="laptop", pid=2)
TIMEOUT_SECONDS = 20.0


def place(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    path.mkdir(mode=0o700)
    return path


def wait_until(condition) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


class Waiting:
    """A store that waits for the claim in a thread of its own."""

    def __init__(self, store, directory: Path, node: Node = SECOND) -> None:
        self.store, self.reports, self.error = store, [], None
        self._thread = threading.Thread(target=self._wait, args=(directory, node))
        self._thread.start()

    def _wait(self, directory: Path, node: Node) -> None:
        try:
            self.store.stand_by(directory, node, self.reports.append)
            self.store.open(directory)
        except StoreError as error:
            self.error = error

    def join(self) -> None:
        self._thread.join(TIMEOUT_SECONDS)
        assert not self._thread.is_alive()


@pytest.fixture
def leader(make_store, tmp_path):
    """Return a store that has the claim."""
    store, directory = make_store(lease="1s"), place(tmp_path, "leader")
    store.stand_by(directory, FIRST, lambda _: None)
    store.open(directory)
    yield store
    store.close()


def test_standby_takes_over_as_soon_as_the_leader_lets_go(leader, make_store, tmp_path):
    leader.commit([Put("job", "a", {"n": 1})])
    waiting = Waiting(make_store(lease="1s"), place(tmp_path, "other"))
    wait_until(lambda: waiting.reports)
    assert (waiting.reports[0].leader.node, waiting.reports[0].leader.pid) == ("nas-1", 1)
    leader.close()
    waiting.join()
    assert list(waiting.store.load("job")) == [("a", {"n": 1})]
    waiting.store.close()


def test_commit_after_the_claim_was_lost_is_refused(leader, make_store, tmp_path, server):
    lost: list[ClaimLost] = []
    leader.watch(lost.append, lambda: None)
    # As if it had been stopped for longer than its lease, and another had claimed.
    server.execute("UPDATE rae_auto.claim SET token = token + 1, host = 'laptop', pid = 2", "SELECT 1")
    with pytest.raises(ClaimLost):
        leader.commit([Put("job", "a", {"n": 1})])
    with pytest.raises(ClaimLost):
        leader.commit([])
    assert list(leader.load("job")) == []
    wait_until(lambda: lost)


def test_idle_leader_learns_that_it_lost_its_claim(leader, server):
    lost: list[ClaimLost] = []
    leader.watch(lost.append, lambda: None)
    server.execute("UPDATE rae_auto.claim SET token = token + 1, host = 'laptop', pid = 2", "SELECT 1")
    wait_until(lambda: lost)
    assert "process 2 on laptop has taken over" in str(lost[0])


def test_occurrence_that_an_earlier_leader_decided_is_refused(leader, server):
    def run(key: str) -> Put:
        return Put("run", key, {"id": key, "job": "a", "trigger": "cron", "key": "12:00"})

    leader.commit([run("first")])
    leader.commit([run("first"), run("second")])
    server.execute("UPDATE rae_auto.occurrences SET token = token - 1", "SELECT 1")
    with pytest.raises(ClaimLost, match="was decided by an earlier leader"):
        leader.commit([run("third")])


@pytest.mark.parametrize("is_damaged", [False, True])
@pytest.mark.parametrize("is_at_once", [False, True])
def test_occurrence_that_the_engine_has_forgotten_starts_again(leader, server, is_damaged, is_at_once):
    """Otherwise a message that is repeated after 1,000 others had each new leader give up, again and again."""

    def run(key: str) -> Put:
        return Put("run", key, {"id": key, "job": "a", "trigger": "mqtt", "key": "m-1"})

    leader.commit([run("first"), Put("seen", "a/x", {"job": "a", "trigger": "mqtt", "key": "m-1", "run": "first"})])
    leader.commit([Delete("run", "first")])
    server.execute("UPDATE rae_auto.occurrences SET token = token - 1", "SELECT 1")
    if is_damaged:
        server.execute("UPDATE rae_auto.documents SET body = substr(body, 3) WHERE kind = 'seen'", "SELECT 1")
    if is_at_once:
        leader.commit([Delete("seen", "a/x"), run("second")])
    else:
        leader.commit([Delete("seen", "a/x")])
        leader.commit([run("second")])
    assert [key for key, _ in leader.load("run")] == ["second"]
    assert list(leader.load("seen")) == []


def test_wait_can_be_interrupted(leader, make_store, tmp_path):
    waiting = Waiting(make_store(), place(tmp_path, "other"))
    wait_until(lambda: waiting.reports)
    waiting.store.interrupt()
    waiting.join()
    assert "is stopping" in str(waiting.error)
    leader.commit([Put("job", "a", {})])


def test_second_daemon_of_a_directory_is_refused_at_once(leader, make_store, tmp_path):
    with pytest.raises(StoreLocked):
        make_store().stand_by(tmp_path / "leader", SECOND, lambda _: None)


def test_restart_of_the_server_loses_nothing_and_is_survived(leader, make_store, tmp_path, server):
    waiting = Waiting(make_store(lease="1s"), place(tmp_path, "other"))
    for number in range(3):
        leader.commit([Put("job", f"{number}", {"n": number})])
    server.stop()
    with pytest.raises(StoreError, match=r"can't be reached|failed") as raised:
        leader.commit([Put("job", "3", {"n": 3})])
    assert leader.is_temporary(raised.value)
    wait_until(lambda: any(one.problem for one in waiting.reports))
    server.start()

    def is_committed() -> bool:
        try:
            leader.commit([Put("job", "3", {"n": 3})])
        except ClaimLost:
            return True
        except StoreError:
            return False
        return True

    wait_until(is_committed)
    keys = [key for key, _ in leader.load("job")]
    assert keys[:3] == ["0", "1", "2"]
    leader.close()
    waiting.join()
    assert [key for key, _ in waiting.store.load("job")] == keys
    waiting.store.close()


@pytest.mark.parametrize("change", [{"boot": "other"}, {"directory": "/copy"}])
def test_copy_of_a_living_node_waits_and_names_the_remedy(leader, make_store, tmp_path, server, change):
    node = evolve(SECOND, boot="this", directory="/rae", host="here")
    waiting = Waiting(make_store(lease="1s"), place(tmp_path, "first"), node)
    wait_until(lambda: waiting.reports)
    copy = Waiting(make_store(lease="1s"), place(tmp_path, "second"), evolve(node, **change))
    wait_until(lambda: copy.reports)
    assert 'node "laptop-2" is also that of process 2 on here' in copy.reports[0].problem
    assert 'remove "rae-auto.node"' in copy.reports[0].problem
    # Once the first has been silent for long, its name is free.
    waiting.store.interrupt()
    waiting.join()
    server.execute("UPDATE rae_auto.nodes SET seen_at = 'epoch' WHERE node = 'laptop-2'", "SELECT 1")
    wait_until(lambda: len(copy.reports) > 1)
    assert copy.reports[1].leader.node == "nas-1"
    copy.store.interrupt()
    copy.join()


def test_copy_of_the_leader_waits_however_long_it_has_led(make_store, tmp_path, server):
    node, store = evolve(FIRST, boot="this", directory="/rae"), make_store(lease="5m")
    store.stand_by(place(tmp_path, "first"), node, lambda _: None)
    server.execute("UPDATE rae_auto.nodes SET seen_at = 'epoch'", "SELECT 1")
    copy = Waiting(make_store(lease="1s"), place(tmp_path, "second"), evolve(node, boot="other"))
    wait_until(lambda: copy.reports)
    assert 'node "nas-1" is also that of process 1 on nas' in copy.reports[0].problem
    copy.store.interrupt()
    copy.join()
    store.close()


def test_messages_arrive_until_they_are_discarded(leader):
    woken = threading.Event()
    leader.watch(lambda _: None, woken.set)
    leader.send("laptop-2", LEADER, [{"n": 1}, {"n": 2}])
    assert woken.wait(TIMEOUT_SECONDS)
    messages = leader.receive(LEADER)
    assert [(one.sender, one.body) for one in messages] == [("laptop-2", {"n": 1}), ("laptop-2", {"n": 2})]
    leader.discard([messages[0].id])
    assert [one.body for one in leader.receive(LEADER)] == [{"n": 2}]


def test_lost_connection_is_followed_by_a_look_at_messages(leader, server):
    """Messages that were sent while there was no connection come with no notice."""
    woken = threading.Event()
    leader.watch(lambda _: None, woken.set)
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rae-auto'")
    assert woken.wait(TIMEOUT_SECONDS)


def test_nodes_are_known_and_can_be_declared_dead(leader):
    (known,) = leader.nodes()
    assert (known.node, known.fenced_at) == (FIRST, None)
    assert known.silent_seconds < TIMEOUT_SECONDS
    leader.fence("nas-1")
    (known,) = leader.nodes()
    assert known.fenced_at is not None


def test_clock_is_that_of_the_server(leader, server):
    ((at,),) = server.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
    assert abs(time.monotonic() + leader.clock_offset() - at) < TIMEOUT_SECONDS
