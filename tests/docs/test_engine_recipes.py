"""The recipe for Nomad, against a stand-in for its HTTP API: what a real server does beyond that isn't tried."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="the recipe is for POSIX systems")

RECIPE = Path(__file__).parents[2] / "docs/examples/engines/nomad_job.py"
DISPATCHED = "report/dispatch-1700000000-abc"


class Nomad(ThreadingHTTPServer):
    """A server with one parameterized job, whose instance is as the test says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.status = "running"
        self.allocations: list[dict[str, Any]] = []

    def answer(self, method: str, path: str) -> Any:
        """Return the answer to a request."""
        self.requests.append(f"{method} {path}")
        job = "/v1/job/" + DISPATCHED.replace("/", "%2F")
        if method == "POST" and path.startswith("/v1/job/report/dispatch?idempotency_token="):
            return {"DispatchedJobID": DISPATCHED, "EvalID": "e"}
        if method == "DELETE" and path == job:
            return {"EvalID": "e"}
        return {job: {"ID": DISPATCHED, "Status": self.status}, job + "/allocations": self.allocations}[path]


class Handler(BaseHTTPRequestHandler):
    """Answers with JSON."""

    server: Nomad

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps(self.server.answer(self.command, self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names of the library

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def nomad() -> Iterator[Nomad]:
    server = Nomad()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(nomad: Nomad) -> Callable[[], "subprocess.Popen[str]"]:
    """Return a function that starts the recipe, and returns once the job is dispatched."""

    def start_one() -> "subprocess.Popen[str]":
        address = f"http://127.0.0.1:{nomad.server_address[1]}"
        facts = {"NOMAD_ADDR": address, "NOMAD_LOOK_SECONDS": "0.05", "RAE_RUN_ID": "01M8", "RAE_ATTEMPT": "2"}
        command = [sys.executable, str(RECIPE), "report"]
        process = subprocess.Popen(command, env={**os.environ, **facts}, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == f"dispatched as {DISPATCHED}\n"
        eventually(lambda: len(nomad.requests) > 1)
        return process

    return start_one


def ended(code: int, at: int = 7) -> dict[str, Any]:
    """Return an allocation whose task has ended."""
    events = [{"Type": "Started", "ExitCode": 0}, {"Type": "Terminated", "ExitCode": code}]
    status = "failed" if code else "complete"
    return {"CreateIndex": at, "ClientStatus": status, "TaskStates": {"main": {"Events": events}}}


@pytest.mark.parametrize(
    ("allocations", "code"),
    [([ended(0)], 0), ([ended(3)], 3), ([ended(0, at=9), ended(3)], 0), ([], 1)],
    ids=["success", "failure", "second allocation", "never placed"],
)
def test_nomad_recipe_ends_as_its_job_ends(nomad: Nomad, start: Any, allocations: Any, code: int) -> None:
    process = start()
    nomad.allocations, nomad.status = allocations, "dead"
    assert process.wait(60) == code
    assert nomad.requests[0].endswith("idempotency_token=01M8.2"), "another attempt could be dispatched"
    process.stdout.close()


def test_nomad_recipe_stops_its_job_when_it_is_ended(nomad: Nomad, start: Any) -> None:
    process = start()
    process.terminate()
    assert process.wait(60) == 143
    assert nomad.requests[-1] == "DELETE /v1/job/" + DISPATCHED.replace("/", "%2F")
    process.stdout.close()
