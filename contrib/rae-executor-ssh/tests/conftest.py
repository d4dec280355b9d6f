"""A real sshd on the loopback address, with keys and settings of its own, started and killed by the tests."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from getpass import getuser
from pathlib import Path

import pytest
from rae_executor_ssh import SshExecutor

from rae_auto.api import Assignment
from rae_auto.testing.harness.counted_attempts import CountedAttempts
from rae_auto.testing.harness.ports import free_port

START_SECONDS = 60.0


def find_sshd() -> str | None:
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class SshServer:
    """An sshd that lets this user log in with a key that only the tests have.

    With a prefix it is started by that command, and its address is one that leads there.
    """

    def __init__(self, program: str, place: Path, address: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        self._program, self._place = program, place
        self.address, self._prefix = address, prefix
        self.port = free_port()
        for name in ("host", "user", "other"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / name)], check=True)
        shutil.copy(place / "user.pub", place / "authorized")
        self.config = place / "ssh_config"
        self.write_known_hosts("host")
        (place / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress {address}\nHostKey {place}/host\nAuthorizedKeysFile {place}/authorized\n"
            f"PidFile {place}/pid\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\n"
            "MaxStartups 100\nLogLevel ERROR\n"
        )
        self.config.write_text(
            f"Host box\n  HostName {address}\n  Port {self.port}\n  User {getuser()}\n  IdentityFile {place}/user\n"
            f"  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {place}/known\n"
            "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def write_known_hosts(self, name: str) -> None:
        """Have the client know the host by one of the keys."""
        key = (self._place / f"{name}.pub").read_text().rsplit(" ", 1)[0]
        (self._place / "known").write_text(f"[{self.address}]:{self.port} {key}\n")

    def accept_key(self, public_key: Path) -> None:
        """Let who has another key log in, too."""
        with (self._place / "authorized").open("a") as keys:
            keys.write(public_key.read_text())

    def start(self) -> None:
        """Start it, and return once it accepts connections."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [*self._prefix, self._program, "-D", "-e", "-f", str(self._place / "sshd_config")],
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            with socket.socket() as probe:
                if not probe.connect_ex((self.address, self.port)):
                    return
            assert time.monotonic() < deadline, "sshd accepts no connections"
            time.sleep(0.02)

    def stop(self) -> None:
        """Refuse new connections; those that are open stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def cut(self) -> int:
        """Kill what serves each connection, as a cut line does; return how many there were."""
        lines = 0
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    name = (entry / "cmdline").read_bytes()
                    argv = (entry / "environ").read_bytes() if name.startswith(b"ssh\0") else b""
                except OSError:
                    continue
                if argv and str(self.config).encode() in name:
                    os.kill(int(entry.name), signal.SIGKILL)
                    lines += 1
        return lines


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """Return an sshd."""
    program = find_sshd()
    if program is None or shutil.which("ssh") is None or not Path("/proc/self").exists():
        pytest.skip("there is no sshd; run 'apt-get install openssh-server'")
    server = SshServer(program, tmp_path_factory.mktemp("sshd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def make_executor(server: SshServer, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., SshExecutor]:
    """Return a function that makes an executor for the server, whose runs are in a folder of the tests."""
    directory = tmp_path_factory.mktemp("remote")

    def make(**options: str) -> SshExecutor:
        options = {"python": sys.executable, "directory": str(directory), "config": str(server.config), **options}
        return SshExecutor(host=options.pop("host", "box"), **options)

    return make


@pytest.fixture
def assign(tmp_path: Path) -> Callable[..., Assignment]:
    """Return a function that makes an attempt of a shell line, whose starts are counted."""
    return CountedAttempts(tmp_path).make
