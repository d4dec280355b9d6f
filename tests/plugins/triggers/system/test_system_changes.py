"""Changes between observations: pure, and so without a machine."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.triggers.system.changes import EventFilter, Rest, ShuttingDown, SystemState
from rae_plugins.triggers.system.devices import Devices, Uevent, after, parse_uevent
from rae_plugins.triggers.system.event_names import EventName
from rae_plugins.triggers.system.network import Network
from rae_plugins.triggers.system.power import PowerState
from rae_plugins.triggers.system.processes import Process, Processes
from rae_plugins.triggers.system.sessions import Screen, Session, Sessions

WANTED = EventFilter(frozenset(EventName), low=15.0)

reading = PowerState


def emitted(states: Sequence[SystemState]) -> list[str]:
    """The names of the events that these states lead to, one after the other."""
    before: Any = None
    names = []
    for state in states:
        changes, before = state.since(before, WANTED)
        names += [str(change.name) for change in changes]
    return names


def home(**more: Any) -> Network:
    return Network(True, **{"v4": ("wlan0 192.168.1.5",), "v6": ("wlan0 2001:db8:1::/64",), **more})


OFFLINE = Network(False)


@pytest.mark.parametrize(
    ("states", "names"),
    [
        # Sleep, by a service and by the clocks, whichever tells first.
        ([Rest(False, 0), Rest(True, 0), Rest(False, 60), Rest(None, 60)], ["sleep", "resume"]),
        ([Rest(False, 0), Rest(True, 0), Rest(None, 60), Rest(False, 60)], ["sleep", "resume"]),
        ([Rest(None, 0), Rest(None, 0.2), Rest(None, 7200)], ["resume"]),
        ([Rest(True, 0), Rest(True, 0), Rest(False, 0)], ["resume"]),
        # A sleep that failed: the machine was told to, and back.
        ([Rest(False, 9), Rest(True, 9), Rest(False, 9), Rest(True, 9)], ["sleep", "resume", "sleep"]),
        ([ShuttingDown(False), ShuttingDown(True), ShuttingDown(True)], ["shutdown"]),
        ([ShuttingDown(False), ShuttingDown(True), ShuttingDown(False), ShuttingDown(True)], ["shutdown", "shutdown"]),
        ([ShuttingDown(True)], []),
        # The same network again is no other, though its addresses come one by one.
        ([home(), OFFLINE, home(v4=()), home()], ["network-down", "network-up"]),
        ([home(), OFFLINE, home(v6=()), home()], ["network-down", "network-up"]),
        ([home(), OFFLINE, Network(True, ("wlan0 10.0.0.2",))], ["network-down", "network-up", "network-changed"]),
        # Another is one change, though its addresses come one by one.
        (
            [home(), Network(True, ("wlan0 10.0.0.2",)), Network(True, ("wlan0 10.0.0.2",), ("wlan0 fd00::/64",))],
            ["network-changed"],
        ),
        ([home(connection="a"), home(), home(connection="a"), home(connection="b")], ["network-changed"]),
        ([OFFLINE, home()], ["network-up"]),
        ([OFFLINE, OFFLINE], []),
        # The battery.
        ([reading(False, 80), reading(True, 79), reading(True, 15)], ["power-battery", "power-low"]),
        ([reading(True, 16), reading(True, 15), reading(True, 16.9), reading(True, 15)], ["power-low"]),
        ([reading(True, 14), reading(True, 13)], []),
        ([reading(True, 15.5), reading(True, 15), reading(True, 17.5), reading(True, 15)], ["power-low", "power-low"]),
        ([reading(True, 10), reading(False, 11), reading(True, 12)], ["power-ac", "power-battery", "power-low"]),
        ([reading(True, None), reading(True, None, 2), reading(True, None, 3)], ["power-low"]),
        ([reading(True, 50), reading(True, 50, 3), reading(True, 50, 4)], ["power-low"]),
        ([reading(False, 5), reading(False, 4)], []),
        ([Screen("x", False), Screen("x", True), Screen("x", True), Screen("x", False)], ["lock", "unlock"]),
    ],
)  # fmt: skip
def test_event_is_emitted_once_when_it_happens(states: Sequence[SystemState], names: list[str]) -> None:
    assert emitted(states) == names


def sessions(*found: Session, origin: str = "logind", is_read: bool = False) -> Sessions:
    return Sessions(origin, found, is_read)


ANNA = Session("1", "anna", "42", "seat0")
SAID = Session("1", "anna", "42", "seat0", "12:00", hint=True)
UNSAID = Session("1", "anna", "42", "seat0", "12:00")
NEXT = Session("1", "anna", "99", "seat0")


@pytest.mark.parametrize(
    ("states", "names"),
    [
        ([sessions(), sessions(ANNA), sessions(ANNA), sessions()], ["login", "logout"]),
        ([sessions(), sessions(SAID), sessions(ANNA)], ["login", "lock", "unlock"]),
        ([sessions(ANNA), sessions(NEXT)], ["logout", "login"]),  # a number that is used again
        ([sessions(ANNA), sessions(origin="users"), sessions(ANNA)], []),  # they name sessions differently
        ([sessions(ANNA), sessions(SAID), sessions(ANNA)], ["lock", "unlock"]),
        # Read again: a screen is unlocked if its locker says so; otherwise it is unknown.
        ([sessions(ANNA), sessions(SAID), sessions(ANNA, is_read=True)], ["lock", "unlock"]),
        ([sessions(ANNA), sessions(UNSAID), sessions(ANNA, is_read=True)], ["lock"]),
        ([sessions(ANNA), sessions(SAID, is_read=True), sessions(SAID, is_read=True)], ["lock"]),
    ],
)
def test_sessions_come_and_go_and_are_locked(states: Sequence[SystemState], names: list[str]) -> None:
    assert emitted(states) == names


states = st.one_of(
    st.builds(Rest, st.sampled_from([True, False, None]), st.floats(0, 1e6)),
    st.builds(ShuttingDown, st.booleans()),
    st.builds(Network, st.booleans(), st.tuples(st.sampled_from("ab")), st.just(()), st.sampled_from(["", "x", "y"])),
    st.builds(PowerState, st.booleans(), st.none() | st.floats(0, 100), st.integers(0, 5)),
    st.builds(lambda names: Devices("*", tuple(sorted(names))), st.sets(st.sampled_from(["a/b", "a/c"]))),
    st.builds(lambda locked: sessions(*locked), st.sampled_from([(), (ANNA,), (SAID,), (NEXT,)])),
)


@given(st.lists(states, max_size=8), states)
def test_repeated_observation_is_not_a_change(earlier: list[SystemState], state: SystemState) -> None:
    """So reading a change again after a signal, or reporting it twice, does no harm."""
    before: Any = None
    for other in earlier:
        if other.slot == state.slot:
            _, before = other.since(before, WANTED)
    _, known = state.since(before, WANTED)
    changes, again = state.since(known, WANTED)
    assert changes == ()
    assert again == known


def message(*pairs: str, head: str = "add@/devices/virtual/block/loop9") -> bytes:
    return "\0".join([head, *pairs, ""]).encode()


REAL = (
    b"add@/devices/virtual/mem/null\x00ACTION=add\x00DEVPATH=/devices/virtual/mem/null\x00SUBSYSTEM=mem\x00"
    b"SYNTH_UUID=0\x00MAJOR=1\x00MINOR=3\x00DEVNAME=null\x00DEVMODE=0666\x00SEQNUM=827\x00"
)
"""As Linux 6.18 sent it."""


def test_a_message_of_the_kernel_is_read() -> None:
    assert parse_uevent(REAL) == Uevent("add", "mem/null", "827")


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\0\0\0",
        b"libudev\0\xfe\xed\xca\xfe",
        message("ACTION=add", "DEVPATH=/module/loop", "SUBSYSTEM=module"),
        message("ACTION=add", "DEVPATH=/devices/x"),
        message("ACTION=add", "DEVPATH=/devices/x", "SUBSYSTEM=net", head="no head"),
    ],
)
def test_what_is_about_no_device_is_passed_over(datagram: bytes) -> None:
    assert parse_uevent(datagram) is None


@given(st.binary(max_size=200))
def test_no_datagram_breaks_the_reading(datagram: bytes) -> None:
    parse_uevent(datagram)
    parse_uevent(b"add@/x\0" + datagram)


def test_a_device_that_is_renamed_comes_under_its_new_name_alone() -> None:
    """As udev does with network interfaces right after they came."""
    renamed = parse_uevent(
        message(
            "ACTION=move", "DEVPATH=/devices/pci/net/enp3s0", "SUBSYSTEM=net", "DEVPATH_OLD=/devices/pci/net/eth0",
            "SEQNUM=5",
        )
    )  # fmt: skip
    assert renamed == Uevent("move", "net/enp3s0", "5", "net/eth0")
    event_filter = EventFilter(frozenset(EventName), device="net/*")
    now = after(Devices("net/*", ("net/eth0",)), renamed, event_filter)
    assert now.names == ("net/enp3s0",)
    assert after(now, Uevent("add", "block/sda", "6"), event_filter).names == now.names
    assert after(now, Uevent("bind", "net/other", "7"), event_filter).names == now.names


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (Processes("sl*", (Process(7, "100", "sleep"),)), "processes: pattern sl*, processes sleep (pid 7)"),
        (Processes("sl*", ()), "processes: pattern sl*, processes none"),
        (Rest(None, 1.5), "rest: asleep unknown, slept 1.5"),
        (ShuttingDown(True), "stopping: stopping yes"),
    ],
)
def test_observation_is_shown_in_plain_words(state: SystemState, text: str) -> None:
    assert str(state) == text
