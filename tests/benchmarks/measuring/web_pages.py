"""The pages of `rae-auto ui` in a process of its own, asked by HTTP as a browser asks."""

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from attrs import define
from measuring.processes import cpu_seconds, stop

AT_ANOTHER_TIME = """
import sys
from datetime import datetime
from rae_auto.cli.entry import main
from rae_auto.reading.daemon_records import DaemonRecords
now = datetime.fromisoformat(sys.argv.pop(1))
DaemonRecords.now = lambda self: now
sys.exit(main())
"""
"""The program with another time for its pages."""

TIMEOUT_SECONDS = 120


@define
class WebPages:
    """Running pages, and one connection of a browser that is signed in."""

    pid: int
    port: int
    cookie: str
    connection: http.client.HTTPConnection
    seconds_to_answer: float
    """From the command to the first answer."""

    def ask(self, path: str) -> bytes:
        """Return the body of an answer, as it is sent. Raises AssertionError if it isn't a page."""
        try:
            response = self._request(path)
        except (http.client.RemoteDisconnected, ConnectionError):
            # The server closes a connection that has been idle for a while; a browser opens another one.
            self.connection.close()
            response = self._request(path)
        content = response.read()
        assert response.status == 200, (path, response.status)
        return content

    def ask_json(self, path: str, question: Mapping[str, str], token: str) -> bytes:
        """Return the body of the answer to a question with a body."""
        headers = {"Cookie": self.cookie, "Origin": f"http://127.0.0.1:{self.port}", "X-CSRF-Token": token}
        headers["Content-Type"] = "application/json"
        self.connection.request("POST", path, json.dumps(question), headers)
        response = self.connection.getresponse()
        content = response.read()
        assert response.status == 200, (path, response.status, content)
        return content

    def _request(self, path: str) -> http.client.HTTPResponse:
        self.connection.request("GET", path, headers={"Cookie": self.cookie, "Accept-Encoding": "gzip"})
        return self.connection.getresponse()

    def measure(self, path: str) -> float:
        """Return the milliseconds that an answer takes."""
        began = time.perf_counter()
        self.ask(path)
        return (time.perf_counter() - began) * 1e3

    @property
    def cpu_seconds(self) -> float:
        """The time on a processor so far."""
        return cpu_seconds(self.pid)


@contextmanager
def serving_pages(environment: Mapping[str, str], place: Path, now: datetime | None = None) -> Iterator[WebPages]:
    """Run the pages with a state directory in the environment, and sign in. Their time is `now`, if it is given.

    Bytecode is written below `place`, because an installation has it too.
    """
    variables = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    variables["PYTHONPYCACHEPREFIX"] = str(place / "bytecode")
    program: Sequence[str] = ("-m", "rae_auto") if now is None else ("-c", AT_ANOTHER_TIME, now.isoformat())
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *program, "ui", "--port", "0"], env=variables, cwd=place, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        found = re.search(rb"http://127\.0\.0\.1:(\d+)(/login\S+)", process.stdout.readline())
        assert found is not None, "the pages did not start"
        port = int(found[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        connection.request("GET", found[2].decode())
        response = connection.getresponse()
        response.read()
        took = time.perf_counter() - began
        cookie = str(response.getheader("set-cookie")).partition(";")[0]
        yield WebPages(process.pid, port, cookie, connection, took)
        connection.close()
    finally:
        stop(process)
        assert process.stdout is not None
        process.stdout.close()
