"""A job that asks the daemon for something, and does what it can to hide that it is a job."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.daemons import Daemons

from rae_auto.paths import socket_path

# No environment, a session and a parent of its own, and the name of another program.
_PROGRAM = """
import json, os, socket, sys, time
if os.fork():
    time.sleep(60)
os.setsid()
if os.fork():
    os._exit(0)
time.sleep(0.2)
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
given = {**GIVEN, "via": "command_line", "client": "the owner"}
client.sendall(json.dumps({"id": 1, "command": "COMMAND", "with": given}).encode() + b"\\n")
client.recv(4096)
time.sleep(60)
"""


@contextmanager
def daemon_with_forger(home: Path, command: str, given: Mapping[str, Any], jobs: str = "") -> Iterator[Daemons]:
    """Serve a daemon with the job "forger", which sends a command with these arguments to it, and further jobs."""
    program = _PROGRAM.replace("GIVEN", repr(dict(given))).replace("COMMAND", command)
    (home / "forger.py").write_text(program)
    daemons = Daemons(
        home,
        f"""
        {jobs}
        [jobs.forger]
        command = ["/usr/bin/env", "-i", "{sys.executable}", "{{home}}/forger.py", "{socket_path(home / "state")}"]
        """,
    )
    daemons.serve()
    try:
        yield daemons
    finally:
        daemons.end()
