"""A network of namespaces, in which packets can vanish: this machine, a router, and a host with an sshd of its own.

What the router doesn't pass on is dropped without a word, as by a firewall, a dead access point or a pulled cable
somewhere on the way: neither end gets a reset, and what was sent is sent again when the way is open.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence

PREFIX = "198.18.77"
"""Of the addresses that are reserved for tests of networks (RFC 2544)."""

HOST_ADDRESS = f"{PREFIX}.6"


def describe_obstacle() -> str | None:
    """Return what keeps this machine from having namespaces; None if nothing does."""
    if os.geteuid():
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "there is no 'ip'; run 'apt-get install iproute2'"
    name = f"rae{os.getpid()}t"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if done.returncode:
        return f"no network namespaces here ({done.stderr.strip()})"
    try:
        link = ["ip", "link", "add", name, "type", "veth", "peer", "name", f"{name}p"]
        done = subprocess.run(link, capture_output=True, text=True)
        if done.returncode:
            return f"no virtual network devices here ({done.stderr.strip()})"
        subprocess.run(["ip", "link", "del", name], check=True)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    return None


class Network:
    """This machine, a router and a host, in a row."""

    def __init__(self) -> None:
        """Build it. Errors: CalledProcessError."""
        number = os.getpid()
        self.router, self.host = f"rae{number}r", f"rae{number}h"
        near, far, inner, outer = (f"rae{number}{end}" for end in "abcd")
        try:
            _run("ip netns add", self.router)
            _run("ip netns add", self.host)
            _run("ip link add", near, "type veth peer name", far, "netns", self.router)
            _run("ip -n", self.router, "link add", inner, "type veth peer name", outer, "netns", self.host)
            _run(f"ip addr add {PREFIX}.1/30 dev", near)
            _run("ip -n", self.router, f"addr add {PREFIX}.2/30 dev", far)
            _run("ip -n", self.router, f"addr add {PREFIX}.5/30 dev", inner)
            _run("ip -n", self.host, f"addr add {HOST_ADDRESS}/30 dev", outer)
            _run("ip link set", near, "up")
            for device in (far, inner):
                _run("ip -n", self.router, "link set", device, "up")
            for device in ("lo", outer):
                _run("ip -n", self.host, "link set", device, "up")
            _run(f"ip route add {PREFIX}.4/30 via {PREFIX}.2")
            _run("ip -n", self.host, f"route add default via {PREFIX}.5")
            self.mend()
        except BaseException:
            self.remove()
            raise

    def command_on_host(self) -> Sequence[str]:
        """Return what stands in front of a command that is to run on the host."""
        return ("ip", "netns", "exec", self.host)

    def drop(self) -> None:
        """Have all packets vanish."""
        self._forward("0")

    def mend(self) -> None:
        """Have packets arrive again."""
        self._forward("1")

    def _forward(self, digit: str) -> None:
        line = f"echo {digit} > /proc/sys/net/ipv4/ip_forward"
        subprocess.run(["ip", "netns", "exec", self.router, "sh", "-c", line], check=True)

    def remove(self) -> None:
        """Remove it; the devices go with their namespaces."""
        for name in (self.router, self.host):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _run(*words: str) -> None:
    subprocess.run([part for word in words for part in word.split()], check=True, capture_output=True, text=True)
