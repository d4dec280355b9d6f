"""A real Dask cluster: a scheduler and workers as processes, started, killed and stopped by the tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

START_SECONDS = 60.0


class DaskCluster:
    """A scheduler on the loopback address, with workers of one or more threads."""

    def __init__(self, place: Path) -> None:
        self.place = place
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.count = 0

    def _start(self, program: str, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
        self.count += 1
        log = self.place / f"{program}-{self.count}.log"
        environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "5s"}
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments],
                stdout=file,
                stderr=file,
                cwd=self.place,
                env=environment,
                start_new_session=True,
            )
        return process, log

    def start(self) -> None:
        """Start the scheduler, and return once it accepts connections."""
        self.scheduler, log = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0"
        )
        _wait_for(log, "Scheduler at:")

    def add_worker(self, *, threads: int = 4, resources: str = "") -> subprocess.Popen[bytes]:
        """Start a worker without a nanny, and return once it has registered."""
        options = ["--resources", resources] if resources else []
        worker, log = self._start(
            *("worker", self.address, "--no-nanny", "--no-dashboard", "--nthreads", str(threads), *options),
            *("--local-directory", str(self.place / "scratch"), "--death-timeout", "60"),
        )
        self.workers.append(worker)
        _wait_for(log, "Registered to:")
        return worker

    def kill_worker(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill a worker by SIGKILL."""
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        self.workers.remove(worker)

    def kill_scheduler(self) -> None:
        """Kill the scheduler by SIGKILL; its workers end by themselves."""
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def stop(self) -> None:
        """End everything."""
        for process in [*self.workers, self.scheduler]:
            if process is not None:
                process.kill()
                process.wait()
        self.workers.clear()


def _wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while text not in log.read_text(errors="replace"):
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.05)
