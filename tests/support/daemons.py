"""A real daemon on a state directory of its own, for tests that do it harm."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from tests.support.waiting import eventually

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.offline.project import Project
from rae_auto.offline.queries import history


def stop_at_once(process: "subprocess.Popen[bytes]") -> None:
    """Stop a daemon without the time that it gives to its runs: the second signal asks for that.

    A signal that comes while another is pending is lost, so that two in a row may be one.
    """
    deadline = time.monotonic() + 60
    while process.poll() is None:
        assert time.monotonic() < deadline, "it goes on"
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.3)


class Daemons:
    """A configuration, a state directory, and the daemons that are started with them, one after another."""

    def __init__(self, home: Path, jobs: str, head: str = "", state: Path | None = None) -> None:
        self.home = home
        self.state = state or home / "state"
        self.config = home / "rae.toml"
        self.command = [sys.executable, "-m", "rae_auto"]
        self.lines: list[str] = []
        self.started: list[subprocess.Popen[bytes]] = []
        self.listening: list[Thread] = []
        self.write(head + jobs)

    def write(self, text: str) -> None:
        self.config.write_text(text.replace("{home}", str(self.home)))
        self.config.chmod(0o600)

    def launch(self, *wrapper: str, state: Path | None = None) -> "subprocess.Popen[bytes]":
        command = [*wrapper, *self.command, "run", "--config", str(self.config)]
        environment = {**os.environ, "RAE_STATE_DIR": str(state or self.state)}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        # Through us, since its own files may be what fails.
        listening = Thread(target=self._listen, args=[process])
        listening.start()
        self.started.append(process)
        self.listening.append(listening)
        return process

    def _listen(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.lines.append(line.decode())

    def serve(self, *wrapper: str) -> "subprocess.Popen[bytes]":
        """A daemon that answers."""
        process = self.launch(*wrapper)
        eventually(lambda: process.poll() is not None or self.answers())
        assert process.poll() is None, self.output()
        return process

    def refused(self) -> tuple[int, str]:
        """Exit code of a daemon that should not come up, and all that it said."""
        before = len(self.lines)
        code = self.launch().wait(60)
        self.listening[-1].join()
        return code, "".join(self.lines[before:])

    def answers(self) -> bool:
        try:
            self.ask("ping")
        except DaemonUnreachable:
            return False
        return True

    def ask(self, command: str, **arguments: Any) -> Any:
        with Client(self.state) as client:
            return client.call(command, **arguments)

    def ask_after_start(self, command: str, **arguments: Any) -> Any:
        """Return the answer of a daemon that is started for it."""
        self.serve()
        return self.ask(command, **arguments)

    def output(self) -> str:
        return "".join(self.lines)

    def whole_output(self) -> str:
        """Return all output of a daemon that has ended; what it wrote last may still be in the pipe."""
        self.listening[-1].join(60)
        return self.output()

    def kill(self) -> None:
        """Nothing is more sudden."""
        self.started[-1].kill()
        self.started[-1].wait()

    def stop(self) -> int:
        self.started[-1].send_signal(signal.SIGTERM)
        return self.started[-1].wait(60)

    def history(self, **query: Any) -> list[dict[str, Any]]:
        """Return what the store holds while no daemon runs."""
        return history(Project.load(self.config), {"limit": 100_000, **query})

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        for listening in self.listening:
            listening.join()
