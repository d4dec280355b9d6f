"""Requests to a webhook, each answered once its run is durable: `python tests/benchmarks/webhook.py [REQUESTS]`.

Needs rae-trigger-webhook: `pip install contrib/rae-trigger-webhook`.
"""

import asyncio
import socket
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from measuring.daemons import rae_daemon
from measuring.processes import wait_until

TOKEN = "0123456789abcdef0123456789abcdef"
JOB = """
[jobs.hook]
python = "time:time"
overlap = "allow"
overlap_max = 10_000
trigger = {{ type = "webhook", path = "/hook", port = {port}, token = "{token}", rate = 1_000_000 }}
"""


def main(count: int) -> None:
    port = free_port()
    job = JOB.format(port=port, token=TOKEN)
    with tempfile.TemporaryDirectory() as place, rae_daemon(Path(place), job):
        wait_until(lambda: is_open(port), f"nothing listened on port {port}")
        for clients in (1, 8, 32):
            asyncio.run(measure(port, clients, count))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def measure(port: int, clients: int, count: int) -> None:
    began = time.perf_counter()
    shares = await asyncio.gather(*(talk(port, max(count // clients, 1)) for _ in range(clients)))
    took = time.perf_counter() - began
    delays = sorted(delay for share in shares for delay in share)
    p50, p99 = (delays[int(len(delays) * part)] * 1000 for part in (0.5, 0.99))
    print(f"{clients} at once: {len(delays) / took:.0f} per second, answered after {p50:.1f} ms, p99 {p99:.1f} ms")


async def talk(port: int, count: int) -> list[float]:
    """Return the response times on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = (
        f"POST /hook HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}"
    )
    delays = []
    for _ in range(count):
        began = time.perf_counter()
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] == b"202", head
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        await reader.readexactly(int(length.split()[1]))
        delays.append(time.perf_counter() - began)
    writer.close()
    await writer.wait_closed()
    return delays


def problem() -> str:
    """Return why the benchmark can't run here and what helps, or nothing."""
    try:
        version("rae-trigger-webhook")
    except PackageNotFoundError:
        return "rae-trigger-webhook isn't installed; install it with 'pip install contrib/rae-trigger-webhook'"
    return ""


if __name__ == "__main__":
    if why := problem():
        sys.exit(why)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
