"""Requests to a webhook, each answered once its run is durable: `python tests/benchmarks/webhook.py`.

Needs rae-trigger-webhook: `pip install contrib/rae-trigger-webhook`.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOKEN = "0123456789abcdef0123456789abcdef"
CONFIGURATION = """
[jobs.hook]
python = "time:time"
overlap = "allow"
overlap_max = 10_000
trigger = {{ type = "webhook", path = "/hook", port = {port}, token = "{token}", rate = 1_000_000 }}
"""


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = home / "rae.toml"
        config.write_text(CONFIGURATION.format(port=port, token=TOKEN))
        config.chmod(0o600)
        environment = {**os.environ, "RAE_STATE_DIR": str(home / "state")}
        command = [sys.executable, "-m", "rae_auto", "run", "--config", str(config)]
        daemon = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            while not is_open(port):
                time.sleep(0.05)
            for clients in (1, 8, 32):
                asyncio.run(measure(port, clients, count))
        finally:
            daemon.terminate()
            daemon.wait()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def measure(port: int, clients: int, count: int) -> None:
    began = time.perf_counter()
    shares = await asyncio.gather(*(talk(port, count // clients) for _ in range(clients)))
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


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
