"""Nodes: their names, and the proof that the daemon of one is gone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from rae_auto.api.shared_store import NodeMessage
from rae_auto.engine.events import AttemptEnded, AttemptFound, AttemptStarted
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result
from rae_auto.runtime.sharing import nodes
from rae_auto.runtime.sharing.messages import (
    CancelRequest,
    decode_cancel,
    decode_event,
    encode_cancel,
    encode_event,
    read_message,
)
from rae_auto.runtime.sharing.nodes import identify_node, is_gone, read_name
from rae_auto.runtime.sharing.server_clock import ServerClock
from rae_auto.runtime.time.clock import SystemClock
from rae_auto.toolkit.files import DirectoryLock

RUN = RunId("01M8JMYEQZY81CFDDGVVKHNC0S")


def directory(place: Path, name: str) -> Path:
    path = place / name
    path.mkdir(mode=0o700)
    return path


def test_node_keeps_its_name_and_differs_from_others(tmp_path: Path) -> None:
    first, second = directory(tmp_path, "a"), directory(tmp_path, "b")
    node = identify_node(first, SystemClock())
    assert identify_node(first, SystemClock()) == node
    assert identify_node(second, SystemClock()).name != node.name


@pytest.mark.parametrize(
    ("machine", "boot", "is_same"),
    [
        ("other", "earlier", False),
        ("other", None, True),
        (None, "earlier", True),
        ("", "", True),
        ("", "earlier", True),
    ],
)
def test_copy_on_another_machine_has_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str | None, boot: str | None, is_same: bool
) -> None:
    """A machine that was booted again is the same, and so is one with another id and the same boot: a container."""
    monkeypatch.setattr(nodes, "_read_machine", lambda: "this")
    place = directory(tmp_path, "a")
    first = identify_node(place, SystemClock())
    lines = [first.name, "this" if machine is None else machine, first.boot if boot is None else boot]
    (place / "rae-auto.node").write_text("\n".join(lines) + "\n")
    node = identify_node(place, SystemClock())
    assert (node.name == first.name) == is_same
    assert identify_node(place, SystemClock()) == node
    assert read_name(place) == node.name


def test_file_of_an_earlier_version_keeps_its_name(tmp_path: Path) -> None:
    place = directory(tmp_path, "a")
    (place / "rae-auto.node").write_text("nas-1f3a90c2\n")
    assert [identify_node(place, SystemClock()).name for _ in range(2)] == ["nas-1f3a90c2"] * 2


def test_node_is_gone_when_no_daemon_has_its_lock(tmp_path: Path) -> None:
    place = directory(tmp_path, "a")
    node, own = identify_node(place, SystemClock()), identify_node(directory(tmp_path, "b"), SystemClock())
    lock = DirectoryLock(place)
    assert not is_gone(node, own)
    lock.release()
    assert is_gone(node, own)


def test_node_of_another_machine_is_never_proven_gone(tmp_path: Path) -> None:
    place = directory(tmp_path, "a")
    node, own = identify_node(place, SystemClock()), identify_node(directory(tmp_path, "b"), SystemClock())
    assert not is_gone(evolve(node, boot="another", machine="another"), own)
    assert not is_gone(evolve(node, boot="", machine=""), own)
    # The same path, but another directory: that of a container, say.
    (place / "rae-auto.node").write_text("other-1\n")
    assert not is_gone(node, own)


def test_node_of_an_earlier_boot_of_this_machine_is_gone(tmp_path: Path) -> None:
    node = identify_node(directory(tmp_path, "a"), SystemClock())
    own = evolve(identify_node(directory(tmp_path, "b"), SystemClock()), machine="this")
    assert is_gone(evolve(node, boot="earlier", machine="this"), own)


def test_messages_about_attempts_arrive_as_they_were_sent() -> None:
    ended = AttemptEnded(RUN, 2, Result(exit_code=3, cpu_time=timedelta(seconds=1)))
    found = AttemptFound(RUN, 1, {"pid": 4711})
    for event in (ended, found, AttemptFound(RUN, 1), AttemptFound(RUN, 1, started=False)):
        body = encode_event(event)
        assert body is not None
        assert decode_event(body) == event
    assert decode_event(encode_event(AttemptStarted(RUN, 1, {"pid": 1})) or {}) == AttemptFound(RUN, 1, {"pid": 1})
    request = CancelRequest(RUN, 1, timedelta(seconds=5))
    assert decode_cancel(encode_cancel(request)) == request
    unknown = NodeMessage(1, "nas-1", {"x": 1})
    assert (read_message(unknown, decode_event), read_message(unknown, decode_cancel)) == (None, None)


def test_server_clock_ignores_the_machines_wall_clock() -> None:
    class WrongClock:
        def now(self) -> Moment:
            return Moment(datetime(1999, 1, 1, tzinfo=UTC), 100.0, 2.0, "boot")

    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    shown = ServerClock(WrongClock(), lambda: noon.timestamp() - 100).now()
    assert (shown.wall, shown.mono, shown.slept, shown.boot) == (noon, 100.0, 2.0, "boot")
