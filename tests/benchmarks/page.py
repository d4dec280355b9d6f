"""The page of `rae-auto ui`: `python tests/benchmarks/page.py [EVENTS] [JOBS]`.

Its start (from the command to the first answer), its memory after each screen was shown once, the time of each screen
on the server, the time from the start of a run in the daemon to the message that makes a page look again and to the
changed page in a browser, what three viewers cost the daemon, and the time to the end of an output of a gigabyte.
"""

import http.client
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from measuring.daemons import rae_daemon
from measuring.processes import environment, resident_mb, stop

from rae_auto.control.client import Client

JOB = '[jobs.job-{number}]\ncommand = ["true"]\nschedule = "{minute} {hour} * * *"\n'
SCREENS = ("/", "/timeline", "/month", "/jobs", "/jobs/job-0", "/jobs/job-0/why", "/health")
REPEATS = 15
VIEWING_SECONDS = 20
OUTPUT_BYTES = 1_000_000_000

OBSERVE = """() => {
  window.changes = [];
  const watcher = new MutationObserver(() => window.changes.push(Date.now()));
  watcher.observe(document.querySelector("main"), { childList: true, subtree: true });
}"""


def main(events: int, jobs: int) -> None:
    tables = [JOB.format(number=number, minute=number % 60, hour=number // 60 % 24) for number in range(jobs)]
    with tempfile.TemporaryDirectory() as name, rae_daemon(Path(name), *tables) as daemon:
        place = Path(name)
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "rae_auto", "ui", "--port", "0"],
            env=environment(place), cwd=place, stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            found = re.search(rb"http://127\.0\.0\.1:(\d+)(/login\S+)", process.stdout.readline())
            assert found is not None
            port = int(found[1])
            answer, _ = ask(port, found[2].decode())
            print(f"start to the first answer: {(time.perf_counter() - began) * 1e3:6.0f} ms, {cpu_ms(process.pid)}")
            cookie = str(answer.getheader("set-cookie")).partition(";")[0]
            measure(port, "/", cookie)
            print(f"start to the first page: {(time.perf_counter() - began) * 1e3:8.0f} ms, {cpu_ms(process.pid)}")
            for path in SCREENS:
                taken = sorted(measure(port, path, cookie) for _ in range(min(REPEATS, events)))
                print(f"{path:>18}: median {statistics.median(taken):6.1f} ms, most {taken[-1]:6.1f} ms")
            print(f"resident: {resident_mb(process.pid):.1f} MB")
            waits = event_to_message(port, cookie, place, events)
            late = sorted(waits)[max(int(len(waits) * 0.95) - 1, 0)]
            print(f"event to message: median {statistics.median(waits):.1f} ms, p95 {late:.1f} ms of {len(waits)}")
            show_event_to_page(port, cookie, place, events)
            show_cost_of_viewers(port, cookie, daemon, min(events, VIEWING_SECONDS))
            show_large_output(port, cookie, place, OUTPUT_BYTES if events > REPEATS else 1 << 20)
        finally:
            stop(process)


def cpu_ms(pid: int) -> str:
    """Return the time on a processor that a process has used, which the load of the machine changes little."""
    used = psutil.Process(pid).cpu_times()
    return f"{(used.user + used.system) * 1e3:.0f} ms of CPU"


def ask(port: int, path: str, cookie: str = "") -> tuple[http.client.HTTPResponse, bytes]:
    """Return the answer to a request, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Cookie": cookie, "Accept-Encoding": "gzip"})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def measure(port: int, path: str, cookie: str) -> float:
    """Return the milliseconds that a screen takes."""
    began = time.perf_counter()
    response, _ = ask(port, path, cookie)
    assert response.status == 200, (path, response.status)
    return (time.perf_counter() - began) * 1e3


def event_to_message(port: int, cookie: str, place: Path, events: int) -> list[float]:
    """Return the milliseconds from each start of a run, as the daemon has confirmed it, to the message about it."""
    messages: list[float] = []
    arrived = threading.Event()
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())

        def listen() -> None:
            while part := stream.recv(1 << 16):
                if b"event: change" in part:
                    messages.append(time.perf_counter())
                    arrived.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        time.sleep(2.0)
        waits = []
        with Client(Path(environment(place)["RAE_STATE_DIR"])) as client:
            for _ in range(events):
                time.sleep(0.4)
                arrived.clear()
                began = time.perf_counter()
                client.call("trigger", job="job-0")
                arrived.wait(10)
                waits.append((messages[-1] - began) * 1e3)
        stream.shutdown(socket.SHUT_RDWR)
        listener.join(10)
    return waits


def show_event_to_page(port: int, cookie: str, place: Path, events: int) -> None:
    """Print the time from each start of a run to the changed page in a browser, if there is one."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("event to page: not measured, because there is no chromium")
        return
    from playwright.sync_api import sync_playwright

    name, _, value = cookie.partition("=")
    waits = []
    with sync_playwright() as playwright, Client(Path(environment(place)["RAE_STATE_DIR"])) as client:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}])
        tab = context.new_page()
        tab.goto(f"http://127.0.0.1:{port}/jobs/job-0")
        tab.locator("#signal[data-state=live]").wait_for()
        tab.wait_for_timeout(2_000)
        tab.evaluate(OBSERVE)
        for _ in range(events):
            tab.wait_for_timeout(600)
            tab.evaluate("() => { window.changes = []; }")
            began = time.time()
            client.call("trigger", job="job-0")
            tab.wait_for_function("() => window.changes.length > 0", timeout=30_000)
            waits.append(tab.evaluate("() => window.changes[0]") - began * 1e3)
        browser.close()
    waits.sort()
    late = waits[max(int(len(waits) * 0.95) - 1, 0)]
    print(f"event to page: median {statistics.median(waits):.0f} ms, p95 {late:.0f} ms of {len(waits)}")


def show_cost_of_viewers(port: int, cookie: str, daemon: int, seconds: int) -> None:
    """Print the memory and the time on a processor that the daemon needs more with three pages open."""
    process = psutil.Process(daemon)
    before, streams = process.memory_info().rss, []
    for _ in range(3):
        stream = socket.create_connection(("127.0.0.1", port))
        stream.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
        measure(port, "/", cookie)
        streams.append(stream)
    time.sleep(1.0)
    began = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    used = (sum(process.cpu_times()[:2]) - began) / seconds
    more = (process.memory_info().rss - before) / 1e6
    print(f"three viewers: {more:+.1f} MB and {used:.2%} of a core of the daemon, while nothing happens")
    for stream in streams:
        stream.close()


def show_large_output(port: int, cookie: str, place: Path, size: int) -> None:
    """Print how long the end of a large output takes, and a part of its middle."""
    with Client(Path(environment(place)["RAE_STATE_DIR"])) as client:
        run = client.call("history", job="job-0", limit=1)[0]["run_id"]
    path = Path(environment(place)["RAE_STATE_DIR"]) / "output" / "job-0" / f"{run}.1.log"
    path.parent.mkdir(exist_ok=True)
    line = b"a line of an output that is much too long for anybody to read\n"
    with path.open("wb") as file:
        for _ in range(size // (len(line) << 14)):
            file.write(line * (1 << 14))
    for name, query in (("end", ""), ("middle", f"?start={size // 2}")):
        taken = sorted(measure(port, f"/runs/{run}/output{query}", cookie) for _ in range(5))
        print(f"{name} of an output of {path.stat().st_size:,} bytes: median {statistics.median(taken):.1f} ms")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    main(*(numbers + [50, 1_000][len(numbers) :]))
