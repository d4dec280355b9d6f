"""A real Dask cluster: a scheduler and workers as processes, started, killed and stopped by the tests."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from forks import ask
from rae_executor_dask import cluster_link

from rae_auto.testing.harness.ports import free_port

START_SECONDS = 90.0
TTL_SECONDS = 5
"""Time after which the scheduler takes a silent worker for dead; it is five minutes by default."""

SETTINGS = {
    "distributed.scheduler.worker-ttl": f"{TTL_SECONDS} s",
    # What measures all the time costs more than what the tests do.
    "distributed.admin.tick.interval": "1 s",
    "distributed.admin.system-monitor.interval": "10 s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.work-stealing-interval": "1 s",
    "distributed.worker.memory.monitor-interval": "10 s",
    "distributed.worker.profile.enabled": False,
}

KEEPER = "rae_executor_dask.remote.worker_keeper"


class DaskCluster:
    """A scheduler on the loopback address, with workers of one or more threads."""

    def __init__(self, place: Path, beside: "DaskCluster | None" = None, tls_options: "tuple[str, ...]" = ()) -> None:
        """Have files in `place`, and processes forked by the server of `beside`, if there is one.

        `tls_options` name the certificates of the scheduler and the workers, for a cluster that is encrypted.
        """
        self.place = place
        self._tls_options = tls_options
        place.mkdir(exist_ok=True)
        self.port = free_port()
        self.address = f"{'tls' if tls_options else 'tcp'}://127.0.0.1:{self.port}"
        self.scheduler: psutil.Process | None = None
        self.workers: list[psutil.Process] = []
        self._count = 0
        self._server: subprocess.Popen[bytes] | None = None
        if beside is not None:
            self._socket = beside._socket
            return
        self._socket = str(place / "forks")
        program = str(Path(__file__).parent / "forks.py")
        self._server = subprocess.Popen([sys.executable, program, self._socket], start_new_session=True)
        cluster_link.HELPER_COMMAND = (sys.executable, "-I", "-S", program, self._socket)

    def _start(self, kind: str, *arguments: str, **environment: str) -> tuple[psutil.Process, Path]:
        _wait_until(lambda: Path(self._socket).exists(), "the server of forks does not start")
        self._count += 1
        log = self.place / f"{kind}-{self._count}.log"
        with log.open("wb") as file, Path(os.devnull).open("rb") as nothing:
            streams = [nothing.fileno(), file.fileno(), file.fileno()]
            words = [*arguments, *self._tls_options]
            with ask(self._socket, kind, words, streams, SETTINGS, environment) as connection:
                return psutil.Process(int(connection.recv(100))), log

    def start(self) -> None:
        """Start the scheduler, and return once it accepts connections."""
        self.scheduler, log = self._start(
            *("scheduler", "--protocol", self.address.partition(":")[0]),
            *("--host", "127.0.0.1", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0"),
        )
        _wait_for(log, "Scheduler at:")

    def add_worker(
        self, *, threads: int = 4, resources: str = "", name: str = "", **environment: str
    ) -> psutil.Process:
        """Start a worker without a nanny, and return once it has registered; without a name it has its address.

        With another HOME it has a folder of its own for runs below "~", as on another machine.
        """
        options = [*(["--resources", resources] if resources else []), *(["--name", name] if name else [])]
        worker, log = self._start(
            *("worker", self.address, "--no-nanny", "--no-dashboard", "--nthreads", str(threads), *options),
            *("--local-directory", str(self.place / "scratch"), "--death-timeout", "60"),
            **environment,
        )
        self.workers.append(worker)
        _wait_for(log, "Registered to:")
        return worker

    def kill(self, process: psutil.Process) -> None:
        """Kill a process by SIGKILL, and return when it has ended."""
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
        _wait_until(lambda: not process.is_running(), f"{process} does not end")
        if process in self.workers:
            self.workers.remove(process)

    def restart_scheduler(self) -> None:
        """Kill the scheduler, wait for its workers to end with it, and start another without any memory."""
        assert self.scheduler is not None
        self.kill(self.scheduler)
        for worker in list(self.workers):
            _wait_until(lambda worker=worker: not worker.is_running(), "a worker outlives its scheduler")
            self.workers.remove(worker)
        self.start()

    def find_keepers(self, worker: psutil.Process, directory: Path) -> tuple[psutil.Process, psutil.Process]:
        """Return the guard and the keeper of a worker for executors with this folder. Errors: ValueError, psutil.Error.

        Executors with other settings have others there, and the guard of a keeper that was killed ends a moment later.
        """
        guards = [child for child in worker.children() if _is_keeper(child, directory)]
        (found,) = ((guard, child) for guard in guards for child in guard.children() if _is_keeper(child, directory))
        return found

    def find_helper(self, pid: int) -> int:
        """Return the helper of the process that the daemon has started in its place. Errors: OSError, ValueError."""
        return int(Path(f"{self._socket}.{pid}").read_text())

    def close(self) -> None:
        """End everything."""
        for process in [*self.workers, self.scheduler]:
            if process is not None:
                self.kill(process)
        if self._server is not None:
            self._server.kill()
            self._server.wait()


def _is_keeper(process: psutil.Process, directory: Path) -> bool:
    with suppress(psutil.Error):
        return any(KEEPER in word and f"'{directory}/" in word for word in process.cmdline())
    return False


def _wait_until(is_so, problem: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, problem
        time.sleep(0.02)


def _wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while text not in log.read_text(errors="replace"):
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-2000:]
        time.sleep(0.02)
