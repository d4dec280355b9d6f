"""A notice's way from the end of a run to the peer: `python tests/benchmarks/notice_to_peer.py [RUNS] [--at-once N]`.

Each run fails, and a webhook posts its notice to an HTTP server of this process. The time is from the end of the run,
as its record has it, to the arrival of the request. With `--at-once` so many jobs fail together. Beside it, how the
same daemon gets on while another notifier hangs.
"""

import argparse
import json
import tempfile
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Thread
from typing import Any

from measuring.daemons import rae_daemon
from measuring.processes import wait_until

from rae_auto.control.client import Client

TIMEOUT_SECONDS = 90


class Peer:
    """An HTTP server that notes when notices arrive, or that hangs."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.arrivals: dict[str, float] = {}
        self.ended_at: dict[str, float] = {}
        self.may_answer = Event()
        if not hangs:
            self.may_answer.set()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                arrived = time.time()
                notice = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                peer.may_answer.wait()
                peer.arrivals.setdefault(notice["id"], arrived)
                peer.ended_at[notice["id"]] = datetime.fromisoformat(notice["at"]).timestamp()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.may_answer.set()
        self.server.shutdown()
        self.server.server_close()

    def milliseconds(self) -> list[float]:
        return sorted((arrived - self.ended_at[id]) * 1000 for id, arrived in self.arrivals.items())


def configuration(peers: dict[str, Peer], jobs: int) -> str:
    notifiers = [f'[notifiers.{name}]\ntype = "webhook"\nurl = "{peer.url}"\n' for name, peer in peers.items()]
    job = 'command = ["false"]\nnotify = { on = ["failure"], limit = { notices = 10000 } }\n'
    return "\n".join([*notifiers, *(f"[jobs.j{number}]\n{job}" for number in range(jobs))])


def measure(runs: int, at_once: int, *, beside_hanging: bool) -> list[float]:
    peers = {"peer": Peer()} | ({"hung": Peer(hangs=True)} if beside_hanging else {})
    try:
        with tempfile.TemporaryDirectory() as place, rae_daemon(Path(place), configuration(peers, at_once)):
            for done in range(0, runs, at_once):
                trigger_all(Path(place) / "state", min(at_once, runs - done))
                expected = min(done + at_once, runs)
                wait_until(lambda wanted=expected: len(peers["peer"].arrivals) >= wanted, "no notice", TIMEOUT_SECONDS)
        return peers["peer"].milliseconds()
    finally:
        for peer in peers.values():
            peer.close()


def trigger_all(state: Path, jobs: int) -> None:
    with Client(state) as client:
        for number in range(jobs):
            client.call("trigger", job=f"j{number}")


def main(runs: int, at_once: int) -> None:
    for name, beside_hanging in (("a notice", False), ("beside a notifier that hangs", True)):
        times = measure(runs, at_once, beside_hanging=beside_hanging)
        p99 = quantiles(times, n=100, method="inclusive")[-1]
        print(f"{name}: {len(times)} runs, median {median(times):.1f} ms, p99 {p99:.1f} ms, longest {times[-1]:.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="?", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=1)
    given = parser.parse_args()
    main(given.runs, given.at_once)
