"""The node of this daemon, and the proof that another one on the same machine is gone.

A node is a state directory on a machine. Its name is in the file `rae-auto.node` of the directory, with random digits
that distinguish directories with the same path on several machines. The file has the machine and its boot as well: a
directory that was copied to another machine gets a name of its own, so that it answers for no attempt of the first.
A machine that has another id but the same boot, as a container that was replaced, is the same.

The proof that a node's daemon is gone is the lock of its directory, which the kernel releases with the last process
that has it open; the proof that its processes are gone too is another boot of the same machine.
"""

import contextlib
import os
import re
import socket
from pathlib import Path

from loguru import logger

from rae_auto.api.shared_store import Node
from rae_auto.errors import StoreError
from rae_auto.runtime.time.clock import Clock, find_machine_boot
from rae_auto.toolkit.files import is_locked, write_atomically

NODE_FILE = "rae-auto.node"
MACHINE_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


def identify_node(directory: Path, clock: Clock) -> Node:
    """Return the node of a state directory; a new one gets a name. Errors: StoreError."""
    host, machine, boot = socket.gethostname(), _read_machine(), find_machine_boot(clock.now())
    name, former_machine, former_boot = _read_file(directory)
    if name and machine and former_machine and machine != former_machine and boot != former_boot:
        logger.warning(
            '{}: node "{}" is that of another machine, so this copy of its directory gets a name of its own',
            directory / NODE_FILE,
            name,
        )
        name = ""
    name = name or f"{re.sub(r'[^A-Za-z0-9-]', '-', host.partition('.')[0])[:40]}-{os.urandom(4).hex()}"
    if (name, machine, boot) != _read_file(directory):
        try:
            write_atomically(directory / NODE_FILE, f"{name}\n{machine}\n{boot}\n".encode())
        except OSError as error:
            raise StoreError(f"{directory / NODE_FILE}: can't be written ({error.strerror})") from error
    return Node(name=name, host=host, machine=machine, boot=boot, pid=os.getpid(), directory=str(directory))


def read_name(directory: Path) -> str | None:
    """Return the name of the node of a directory; None if it has none."""
    return _read_file(directory)[0] or None


def _read_file(directory: Path) -> tuple[str, str, str]:
    """Return the name, the machine and the boot; "" for each that isn't there, as in a file of an earlier version."""
    try:
        lines = (directory / NODE_FILE).read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        lines = []
    name, machine, boot, *_ = [*map(str.strip, lines), "", "", ""]
    return name, machine, boot


def is_gone(node: Node, own: Node) -> bool:
    """Return whether it is proven that no daemon has the node, whose directory this machine can read."""
    is_same_boot = bool(own.boot) and node.boot == own.boot
    is_rebooted = bool(own.machine) and node.machine == own.machine and node.boot != own.boot
    directory = Path(node.directory)
    if not (is_same_boot or is_rebooted) or read_name(directory) != node.name:
        return False
    return not is_locked(directory)


def _read_machine() -> str:
    for path in MACHINE_FILES:
        with contextlib.suppress(OSError, ValueError):
            return path.read_text(encoding="ascii").strip()
    return ""
