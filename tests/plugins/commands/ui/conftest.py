"""A daemon with jobs that do well and badly, and the page of it in a process of its own."""

import http.client
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

import pytest
from attrs import define, field
from tests.support.daemons import Daemons, stop_at_once
from tests.support.waiting import eventually

JOBS = r"""
timezone = "Europe/Berlin"
loggers = ["file"]
max_parallel = 4

[resources]
db = 1

[jobs.good]
command = ["true"]
schedule = "0 3 * * *"

[jobs.bad]
shell = '''printf '\033[31mno\033[0m <script>alert(1)</script>\n'; exit 3'''

[jobs.long]
command = ["sleep", "600"]
resources = ["db"]

[jobs.waiting]
command = ["true"]
resources = ["db"]

[jobs.guarded]
name = "Half past"
command = ["true"]
schedule = "30 * * * *"
guards = [{ type = "time", from = "00:00", to = "00:01" }]

[jobs.powered]
command = ["true"]
schedule = "0 4 * * *"
guards = [{ type = "power", id = "mains" }]

[jobs.watching]
enabled = false
command = ["true"]
triggers = [{ type = "file", paths = ["{home}/in/*.pdf"] }]
guards = [{ type = "calendar", dates = ["2020-01-01"], mode = "include", id = "closed" }]

[jobs.a-job-with-a-very-long-name-that-fits-into-no-narrow-column]
command = ["true"]

[jobs.chatty]
shell = "for i in 1 2 3; do echo line $i; done"

[jobs.hostile]
name = '''"><script>alert(1)</script>'''
command = ["true", "\"onmouseover=alert(1) x=\""]
"""


@define
class Answer:
    """An answer of the page."""

    status: int
    headers: Mapping[str, str]
    text: str


@define
class Page:
    """A running page, and a browser of its own that is signed in."""

    port: int
    token: str
    process: "subprocess.Popen[bytes]"
    daemons: Daemons
    set_cookie: str = ""
    cookie: str = ""
    runs: dict[str, str] = field(factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, *, signed_in: bool = True, **headers: str
    ) -> Answer:
        """Send a request; `headers` have underscores for hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if signed_in:
            given["Cookie"] = self.cookie
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
        finally:
            connection.close()

    def csrf(self) -> str:
        """Return the token that a page of this session has in its forms."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.ask("/jobs").text)
        assert found is not None
        return found[1]

    def change(self, **form: str) -> Answer:
        """Ask for a change as a page would."""
        return self.submit("/do", **form)

    def submit(self, path: str, **form: str) -> Answer:
        """Send a form as a page would."""
        body = urlencode({"csrf": self.csrf(), **form})
        kind = "application/x-www-form-urlencoded"
        return self.ask(path, "POST", body, Origin=self.origin, Content_Type=kind, Sec_Fetch_Site="same-origin")

    def raw(self, request: bytes, timeout: float = 20) -> bytes:
        """Send bytes as they are, and return what is answered until the connection is closed or the time is over."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(request)
            parts = []
            try:
                while part := connection.recv(1 << 16):
                    parts.append(part)
            except (TimeoutError, ConnectionError):
                pass
            return b"".join(parts)


def start_page(daemons: Daemons, *options: str) -> Page:
    """Start the page beside a daemon, and sign in."""
    command = [*daemons.command, "ui", "--config", str(daemons.config), "--port", "0", *options]
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/login\?token=(\S+)", line)
    assert found is not None, line
    page = Page(int(found[1]), found[2], process, daemons)
    answer = page.ask(f"/login?token={page.token}", signed_in=False)
    assert answer.status == 303, answer
    page.set_cookie = answer.headers["set-cookie"]
    page.cookie = page.set_cookie.partition(";")[0]
    return page


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


@pytest.fixture(scope="session")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """A daemon with some history."""
    daemons = Daemons(tmp_path_factory.mktemp("ui"), JOBS)
    process = daemons.serve()
    yield daemons
    stop_at_once(process)
    for listener in daemons.listening:
        listener.join()


@pytest.fixture(scope="session")
def page(daemons: Daemons) -> Iterator[Page]:
    """The page of the daemon; `runs` has the id of a run of each job that was started."""
    page = start_page(daemons)
    for job in ("good", "bad", "long", "waiting", "chatty", "hostile"):
        page.runs[job] = daemons.ask("trigger", job=job)["run_id"]
    eventually(
        lambda: all(
            daemons.ask("history", job=job, limit=1)[0]["state"] in ("succeeded", "failed")
            for job in ("good", "bad", "chatty", "hostile")
        )
    )
    yield page
    stop(page.process)


@pytest.fixture(scope="session")
def read_only_page(daemons: Daemons) -> Iterator[Page]:
    """A page that was started with --read-only."""
    page = start_page(daemons, "--read-only")
    yield page
    stop(page.process)
