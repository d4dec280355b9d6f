"""The pages of `rae-auto ui`: beside a daemon with a thousand jobs, and over a large history.

The store of a large history takes minutes to make. Where RAE_BENCHMARK_STORES names a folder, it stays there for the
next time.
"""

import asyncio
import math
import os
import re
import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import psutil
from figures import report, wait_for
from measuring import histories
from measuring.daemons import rae_daemon
from measuring.history_server import serving_history
from measuring.processes import cpu_seconds, environment, processor_seconds, resident_mb
from measuring.web_pages import WebPages, serving_pages

from rae_auto.control.client import Client
from rae_auto.errors import SchedulerError
from rae_auto.reading.daemon_records import DaemonRecords
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.screens import load_digest
from rae_auto.views.digests.formats import FORMATS

JOB = '[jobs.job-{number}]\ncommand = ["true"]\nschedule = "{minute} {hour} * * *"\n'
SMALL_SIZE = 10
"""A size up to which as little as possible is done."""

STARTS = 3
VIEWING_SECONDS = 20
OUTPUT_BYTES = 1_000_000_000
LOADS = 40
REST_SECONDS, REST_SHARE = 2.0, 0.03
"""A process is at rest when it takes less of a processor than this share, for so long."""

OBSERVE = """() => {
  window.changes = [];
  const watcher = new MutationObserver((changes) => {
    // Parts of the page, not the texts of its clocks.
    const added = changes.flatMap((change) => [...change.addedNodes]);
    if (added.some((node) => node.nodeType === 1)) window.changes.push(performance.timeOrigin + performance.now());
  });
  watcher.observe(document.querySelector("main"), { childList: true, subtree: true });
}"""


def measure_pages(events: int, _: str) -> dict[str, float]:
    """Look at the pages beside a daemon: their start, memory, first load, and the way of so many events."""
    is_small = events <= SMALL_SIZE
    jobs = 3 if is_small else 1_000
    tables = [JOB.format(number=number, minute=number % 60, hour=number // 60 % 24) for number in range(jobs)]
    with tempfile.TemporaryDirectory() as name, rae_daemon(Path(name), *tables) as daemon:
        place = Path(name)
        figures = dict(_starts(place, 1 if is_small else STARTS))
        with serving_pages(environment(place), place) as pages:
            figures |= _first_load(pages)
            for path in ("/", "/timeline", "/month", "/jobs", "/jobs/job-0", "/jobs/job-0/why", "/health"):
                pages.ask(path)
            figures["resident, MB"] = resident_mb(pages.pid)
            with _listening(place) as arrivals:
                figures |= _late_both("message", _messages_of_events(pages, place, events, arrivals))
                if (chromium := shutil.which("chromium")) is not None:
                    figures |= _late_both("page", _changes_of_events(pages, place, events, arrivals, chromium))
            figures |= _slowest_commit(place)
            figures |= dict(_what_if(pages, place))
            figures |= _cost_of_viewers(pages, daemon, 1 if is_small else VIEWING_SECONDS)
            figures |= _end_of_output(pages, place, 1 << 20 if is_small else OUTPUT_BYTES)
    return figures


def _starts(place: Path, times: int) -> Iterator[tuple[str, float]]:
    """Yield the times of some starts; one before them writes the bytecode, which an installation has."""
    answers, firsts, processor = [], [], []
    for number in range(times + 1):
        began = time.perf_counter()
        with serving_pages(environment(place), place) as pages:
            pages.ask("/")
            if number:
                answers.append(pages.seconds_to_answer * 1e3)
                firsts.append((time.perf_counter() - began) * 1e3)
                processor.append(pages.cpu_seconds * 1e3)
    yield "start to the first answer, ms", statistics.median(answers)
    yield "start to the first page, ms", statistics.median(firsts)
    yield "processor time of both, ms", statistics.median(processor)


def _first_load(pages: WebPages) -> dict[str, float]:
    """Return what a browser loads for its first page, beside the stream of events."""
    text = _unpacked(content := pages.ask("/"))
    assets = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', text))
    sizes = [len(content), *(len(pages.ask(asset)) for asset in assets)]
    return {"first load, kB": sum(sizes) / 1e3, "first load, requests": len(sizes)}


def _unpacked(content: bytes) -> str:
    import gzip

    return gzip.decompress(content).decode()


def _late(name: str, waits: Sequence[float]) -> dict[str, float]:
    """Return the middle of some waits, and how late one in twenty is."""
    ordered = sorted(waits)
    return {
        f"{name}, median ms": statistics.median(ordered),
        f"{name}, p95 ms": ordered[math.ceil(len(ordered) * 0.95) - 1],
    }


Waits = list[tuple[float, float]]
"""Milliseconds since a request, and since the daemon's own event stream said what became of it."""


def _late_both(what: str, waits: Waits) -> dict[str, float]:
    """Return the figures since the request, whose start is made durable first, and since the event."""
    since_request, since_event = ([pair[place] for pair in waits] for place in (0, 1))
    return _late(f"request to {what}", since_request) | _late(f"event to {what}", since_event)


@contextmanager
def _listening(place: Path) -> Iterator[list[float]]:
    """Yield the instants at which the daemon's event stream says something, as it does."""
    arrivals: list[float] = []
    with Client(Path(environment(place)["RAE_STATE_DIR"]), None) as client:

        def listen() -> None:
            # It ends when the connection is closed.
            with suppress(OSError, ValueError, SchedulerError):
                for _ in client.events():
                    arrivals.append(time.time())  # noqa: PERF401 - as they come

        threading.Thread(target=listen, daemon=True).start()
        time.sleep(1.0)
        yield arrivals


def _waits_of(began: float, changed: float, arrivals: Sequence[float]) -> tuple[float, float]:
    """Return both waits for a change, all in seconds since the epoch."""
    event = next(at for at in arrivals if at >= began)
    return (changed - began) * 1e3, (changed - event) * 1e3


def _slowest_commit(place: Path) -> dict[str, float]:
    """Return what the disk took at most in the last five minutes: so long a start waits before there is an event."""
    with Client(Path(environment(place)["RAE_STATE_DIR"])) as client:
        return {"slowest commit meanwhile, ms": client.call("health")["store"]["longest_seconds"] * 1e3}


def _what_if(pages: WebPages, place: Path) -> Iterator[tuple[str, float]]:
    """Yield what it takes to open the page "What if", until its simulation is there, and what an edit takes."""
    began = time.perf_counter()
    found = re.search(r'name="csrf" value="([^"]+)"', _unpacked(pages.ask("/what-if")))
    yield "what if, opened, ms", (time.perf_counter() - began) * 1e3
    assert found is not None
    text = (place / "rae.toml").read_text()
    for name, edited in (("complete", text), ("an edit", text.replace("job-0]", "other]"))):
        edit_began = time.perf_counter()
        pages.ask_json("/api/what-if", {"text": edited}, found[1])
        yield f"what if, {name}, ms", (time.perf_counter() - (edit_began if edited != text else began)) * 1e3


def _open_stream(pages: WebPages) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", pages.port))
    request = f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{pages.port}\r\nCookie: {pages.cookie}\r\n\r\n"
    stream.sendall(request.encode())
    return stream


def _messages_of_events(pages: WebPages, place: Path, events: int, arrivals: Sequence[float]) -> Waits:
    """Return the waits for the message about each start of a run."""
    messages: list[float] = []
    with _open_stream(pages) as stream:

        def listen() -> None:
            while part := stream.recv(1 << 16):
                if b"event: change" in part:
                    messages.append(time.time())

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        time.sleep(2.0)
        waits = []
        with Client(Path(environment(place)["RAE_STATE_DIR"])) as client:
            for _ in range(events):
                _wait_until_over(client)
                time.sleep(0.4)
                began, seen = time.time(), len(messages)
                client.call("trigger", job="job-0")
                wait_for(lambda seen=seen, began=began: len(messages) > seen and arrivals and arrivals[-1] >= began)
                waits.append(_waits_of(began, messages[seen], arrivals))
        stream.shutdown(socket.SHUT_RDWR)
        listener.join(10)
    return waits


def _wait_until_over(client: Client) -> None:
    """Return once no run goes on: on a busy machine one takes longer than the time between two."""
    wait_for(lambda: not any(client.call("status")[name] for name in ("running", "waiting")))


def _changes_of_events(pages: WebPages, place: Path, events: int, arrivals: Sequence[float], chromium: str) -> Waits:
    """Return the waits for the changed page in a browser, of each start of a run."""
    from playwright.sync_api import sync_playwright

    name, _, value = pages.cookie.partition("=")
    waits = []
    with sync_playwright() as playwright, Client(Path(environment(place)["RAE_STATE_DIR"])) as client:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}])
        tab = context.new_page()
        tab.goto(f"http://127.0.0.1:{pages.port}/jobs/job-0")
        tab.locator("#signal[data-state=live]").wait_for()
        tab.wait_for_timeout(2_000)
        tab.evaluate(OBSERVE)
        for _ in range(events):
            _wait_until_over(client)
            tab.wait_for_timeout(600)
            tab.evaluate("() => { window.changes = []; }")
            began = time.time()
            client.call("trigger", job="job-0")
            tab.wait_for_function("() => window.changes.length > 0", timeout=30_000)
            waits.append(_waits_of(began, tab.evaluate("() => window.changes[0]") / 1e3, arrivals))
        browser.close()
    return waits


def _cost_of_viewers(pages: WebPages, daemon: int, seconds: int) -> dict[str, float]:
    """Return the memory and the share of a processor that the daemon takes more with three pages open."""
    process = psutil.Process(daemon)
    _wait_for_rest(daemon)
    before, streams = process.memory_info().rss, []
    for _ in range(3):
        streams.append(_open_stream(pages))
        pages.ask("/")
    time.sleep(1.0)
    began = cpu_seconds(daemon)
    time.sleep(seconds)
    used = (cpu_seconds(daemon) - began) / seconds
    more = (process.memory_info().rss - before) / 1e6
    for stream in streams:
        stream.close()
    return {"daemon with three viewers, MB more": more, "daemon with three viewers, % of a core": used * 100}


def _end_of_output(pages: WebPages, place: Path, size: int) -> dict[str, float]:
    """Return how long the end of a large output takes, and a part of its middle."""
    state = Path(environment(place)["RAE_STATE_DIR"])
    with Client(state) as client:
        run = client.call("history", job="job-0", limit=1)[0]["run_id"]
    path = state / "output" / "job-0" / f"{run}.1.log"
    path.parent.mkdir(exist_ok=True)
    line = b"a line of an output that is much too long to be read\n"
    with path.open("wb") as file:
        for _ in range(size // (len(line) << 14)):
            file.write(line * (1 << 14))
    ends = [pages.measure(f"/runs/{run}/output") for _ in range(5)]
    middles = [pages.measure(f"/runs/{run}/output?start={size // 2}") for _ in range(5)]
    return {
        f"end of {size // 1_000_000:,} MB of output, ms": statistics.median(ends),
        f"middle of {size // 1_000_000:,} MB of output, ms": statistics.median(middles),
    }


def measure_page_times(runs: int, _: str) -> dict[str, float]:
    """Ask for each page over a history of so many runs, and for a digest of it."""
    is_small = runs <= 1_000
    jobs, loads = (20, 2) if is_small else (10_000, LOADS)
    end, figures = histories.START + timedelta(seconds=20 * runs), {}
    with _stored(runs) as directory, tempfile.TemporaryDirectory() as place, serving_history(directory, jobs) as server:
        # A daemon copies a large store for a while after its start.
        _wait_for_rest(server)
        digest = asyncio.run(_digest(directory, end, loads))
        variables = {**environment(Path(place)), "RAE_STATE_DIR": str(directory)}
        # What if shows the configuration.
        tables = [JOB.format(number=number, minute=number % 60, hour=number % 24) for number in range(jobs)]
        (Path(place) / "rae.toml").write_text("".join(tables))
        (Path(place) / "rae.toml").chmod(0o600)
        with serving_pages(variables, Path(place), end) as pages:
            wait_for(lambda: "data-pending" not in _unpacked(pages.ask("/month")))
            # Doctor is asked once, in a process of its own.
            wait_for(lambda: "data-pending" not in _unpacked(pages.ask("/")))
            _wait_for_rest(pages.pid)
            run = _run_of(pages)
            with _output_of(directory, run):
                figures |= _ask_all(pages, server, _addresses(end, run), loads)
            figures["resident, MB"] = resident_mb(pages.pid)
            # At last, because it simulates in a process of its own for a while.
            figures |= _ask_all(pages, server, {"what if": "/what-if"}, loads)
    return {**figures, **digest}


def _ask_all(pages: WebPages, server: int, addresses: Mapping[str, str], loads: int) -> dict[str, float]:
    """Return how long these pages take, by the clock and of a processor."""
    figures: dict[str, float] = {}
    for name, path in addresses.items():
        pages.ask(path)
        began = sum(map(processor_seconds, (server, pages.pid)))
        figures |= _late(name, [pages.measure(path) for _ in range(loads)])
        used = sum(map(processor_seconds, (server, pages.pid))) - began
        # Of both processes; a busy machine changes it less than the time by the clock.
        figures[f"{name}, processor ms"] = used * 1e3 / loads
    return figures


@contextmanager
def _output_of(directory: Path, run: str) -> Iterator[None]:
    """Keep an output of a run on disk, of ten megabytes; a store has only records."""
    path = directory / "output" / "job-7" / f"{run}.1.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a line of an output that is much too long to be read\n" * (OUTPUT_BYTES // 100 // 53))
    try:
        yield
    finally:
        path.unlink()


def _addresses(now: datetime, run: str) -> dict[str, str]:
    then = (now - timedelta(days=1)).isoformat().replace("+", "%2B")
    return {
        "now": "/",
        "timeline": "/timeline",
        "timeline of 31 days": "/timeline?span=31d",
        "month": "/month",
        "day": f"/day/{now.date()}",
        "day before": f"/day/{now.date() - timedelta(days=1)}",
        "jobs": "/jobs",
        "job": "/jobs/job-7",
        "run": f"/runs/{run}",
        "why now": "/jobs/job-7/why",
        "why then": f"/jobs/job-7/why?at={then}",
        "output": f"/runs/{run}/output",
        "test-trigger": "/jobs/job-7/test-trigger",
        "health": "/health",
    }


def _run_of(pages: WebPages) -> str:
    """Return a run that the page of a job shows."""
    found = re.search(r'href="/runs/(\w{26})"', _unpacked(pages.ask("/jobs/job-7")))
    assert found is not None
    return found[1]


async def _digest(directory: Path, now: datetime, loads: int) -> dict[str, float]:
    """Return what the text of a digest of a day takes, without the start of the command."""
    source = await DaemonRecords.connect(directory)
    source.now = lambda: now  # type: ignore[method-assign]
    took = []
    for _ in range(loads + 1):
        began = time.perf_counter()
        FORMATS["text"](await load_digest(source, now - timedelta(days=1), now), source.zone)
        took.append((time.perf_counter() - began) * 1e3)
    await source.close()
    return _late("digest", took[1:])


def _wait_for_rest(pid: int) -> None:
    """Return once a process has nothing to do."""
    while True:
        began = cpu_seconds(pid)
        time.sleep(REST_SECONDS)
        if cpu_seconds(pid) - began <= REST_SECONDS * REST_SHARE:
            return


@contextmanager
def _stored(runs: int) -> Iterator[Path]:
    """Yield a state directory with so many runs on record."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(os.environ.get("RAE_BENCHMARK_STORES") or temporary) / f"{runs}-runs"
        is_new = not (place / "state").exists()
        directory = claim_state_directory(place / "state")
        if is_new:
            histories.fill(directory, runs).close()
        yield directory


if __name__ == "__main__":
    report({"pages": measure_pages, "page_times": measure_page_times})
