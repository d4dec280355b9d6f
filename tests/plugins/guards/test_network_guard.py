"""The network guard: interfaces as psutil lists them, and real hosts that listen or don't."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.platforms import IS_LINUX

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.testing.guards import GuardConformance
from rae_plugins.guards import network
from rae_plugins.guards.network import NetworkGuard
from rae_plugins.machine.interfaces import addresses, is_usable

WIRED = {"lo": ["127.0.0.1", "::1"], "eth0": ["192.0.2.7", "fe80::1%eth0", "52:54:00:12:34:56"], "eth1": []}


class TestNetworkConforms(GuardConformance):
    @pytest.fixture(params=[{}, {"interface": "no-such"}, {"host": "localhost", "port": 9}])
    def plugin(self, request: pytest.FixtureRequest) -> ReadGuard:
        return NetworkGuard(**request.param)


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a machine with a network, which the one of the tests may not have."""
    monkeypatch.setattr(network, "addresses", lambda: WIRED)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "usable"),
    [
        ("192.0.2.7", True),
        ("10.0.0.1", True),
        ("2001:db8::1", True),
        ("fd00::1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("169.254.3.4", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("0.0.0.0", False),
        ("52:54:00:12:34:56", False),
    ],
)
def test_address_is_usable_beyond_loopback_and_link_local(address: str, usable: bool) -> None:
    assert is_usable(address) is usable


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        (None, GuardResult(Verdict.YES, 'interface "eth0" is up with address 192.0.2.7')),
        ("eth0", GuardResult(Verdict.YES, 'interface "eth0" is up with address 192.0.2.7')),
        ("eth1", GuardResult(Verdict.NO, 'interface "eth1" is down or has no address')),
        ("wg0", GuardResult(Verdict.NO, 'interface "wg0" is down or has no address')),
        ("lo", GuardResult(Verdict.NO, 'interface "lo" is down or has no address')),
    ],
)
def test_network_guard_needs_an_interface_with_an_address(interface: str | None, expected: GuardResult) -> None:
    assert NetworkGuard(interface=interface).judge(WIRED) == expected


def test_network_guard_ignores_loopback_and_link_local() -> None:
    expected = GuardResult(Verdict.NO, "no network interface is up with an address")
    assert NetworkGuard().judge({"lo": ["127.0.0.1"], "eth0": ["169.254.3.4"]}) == expected


def test_addresses_are_those_of_the_machine() -> None:
    assert "127.0.0.1" in [address for given in addresses().values() for address in given]


@pytest.mark.usefixtures("wired")
def test_network_guard_reaches_a_listening_host(listening: int) -> None:
    result = asyncio.run(NetworkGuard(host="localhost", port=listening).read())
    assert result == GuardResult(Verdict.YES, f'"localhost" port {listening} accepts connections')


@pytest.mark.usefixtures("wired")
def test_network_guard_reports_a_refused_connection() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        result = asyncio.run(NetworkGuard(host="127.0.0.1", port=port).read())
    assert result == GuardResult(Verdict.NO, f'"127.0.0.1" port {port} cannot be reached: Connection refused')


@pytest.mark.usefixtures("wired")
@pytest.mark.skipif(not IS_LINUX, reason="other systems refuse where the backlog is full")
def test_network_guard_reports_a_timeout() -> None:
    with socket.socket() as server, contextlib.ExitStack() as callers:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):  # until the kernel keeps no more callers waiting
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        port = server.getsockname()[1]
        result = asyncio.run(NetworkGuard(host="127.0.0.1", port=port, timeout="50ms").read())
    assert result == GuardResult(Verdict.NO, f'"127.0.0.1" port {port} did not answer within 50 ms')


@pytest.mark.usefixtures("wired")
def test_network_guard_needs_one_of_several_addresses(listening: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> list[Any]:
        return [(0, 0, 0, "", (address, listening)) for address in ("127.0.0.2", "::1", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert asyncio.run(NetworkGuard(host="example.org", port=listening).read()).verdict is Verdict.YES


@pytest.mark.usefixtures("wired")
@pytest.mark.parametrize("host", ["no-such-host.invalid", "." * 300, "a\x1bb"])
def test_network_guard_reports_a_host_that_cannot_be_resolved(host: str) -> None:
    result = asyncio.run(NetworkGuard(host=host, port=80, timeout="8s").read())
    assert result.verdict is Verdict.NO
    assert result.reason.isprintable()


@pytest.mark.usefixtures("wired")
def test_network_guard_reports_a_host_without_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    result = asyncio.run(NetworkGuard(host="example.org", port=80).read())
    assert result == GuardResult(Verdict.NO, '"example.org" port 80 cannot be reached: the host has no address')


def test_network_guard_without_a_network_tries_no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "addresses", dict)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was tried"))
    assert asyncio.run(NetworkGuard(host="example.org", port=80).read()).verdict is Verdict.NO


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"host": "example.org"}, "must be given together"),
        ({"port": 80}, "must be given together"),
        ({"host": "", "port": 80}, "must be given together"),
        ({"host": "example.org", "port": 0}, "port"),
        ({"host": "example.org", "port": 65536}, "port"),
        ({"timeout": "0s"}, "'timeout' must be more than 0s and at most 8s"),
        ({"timeout": "9s"}, "'timeout' must be more than 0s and at most 8s"),
    ],
)
def test_network_guard_refuses_half_an_address_and_long_timeouts(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        NetworkGuard(**options)


def test_network_guard_module_offers_the_guard() -> None:
    assert network.rae_guards() == [NetworkGuard]
