"""The host of a service of Windows: `python -m rae_auto.service.windows_host VERB FILE`.

    Windows ── start, stop, shutdown ─► host ── starts ──────────────────► daemon (`rae-auto run`)
                                          └──── "stop" by its connection ─►

The daemon is a process of its own, because its signals belong to a main thread, and that of a service serves Windows.
A stop is asked for over the control connection, as `rae-auto stop` does, so that running jobs get their grace. Until
the daemon has ended, it reports to Windows at intervals that this takes a while. A daemon that ends by `rae-auto stop`
ends the service. One that fails ends the host at once, without a word to Windows: that is what its recovery counts as a
crash, after which it starts the service again.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rae_auto.control.client import Client, is_daemon_running
from rae_auto.errors import SchedulerError
from rae_auto.service.windows_service import HostedService
from rae_auto.service.windows_services import WindowsServices

PENDING_SECONDS = 2.0
"""Time from one word to Windows that a stop goes on to the next."""

PENDING_HINT_MILLISECONDS = 10_000
"""Time within which Windows expects the next one."""

MAX_ERROR_BYTES = 2000


class DaemonHost:
    """The daemon of a service, from its start to its end."""

    def __init__(self, service: HostedService, log_error: Callable[[str], None]) -> None:
        """`log_error` gets the last words of a daemon that failed."""
        self._service = service
        self._log_error = log_error
        self._is_stopping = threading.Event()
        self._has_ended = threading.Event()

    def run(self) -> int:
        """Run the daemon until it ends, and return its exit code; blocks."""
        directory = Path(self._service.state)
        environment = {**os.environ, "RAE_STATE_DIR": self._service.state}
        try:
            if is_daemon_running(directory):
                # That of a host that was killed: it is the one of this service.
                self._await_end(directory)
                return 0
            with tempfile.TemporaryFile() as errors:
                words = list(self._service.daemon)
                process = subprocess.Popen(
                    words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
                )
                code = process.wait()
                if code:
                    errors.seek(max(0, errors.seek(0, os.SEEK_END) - MAX_ERROR_BYTES))
                    last = errors.read().decode(errors="replace").strip() or "it printed no error"
                    self._log_error(f"the daemon ended with exit code {code}: {last.splitlines()[-1]}")
                return code
        except OSError as error:
            self._log_error(f"{self._service.daemon[0]} can't be started: {error.strerror}")
            return 1
        finally:
            self._has_ended.set()

    def _await_end(self, directory: Path) -> None:
        while True:
            with contextlib.suppress(SchedulerError), Client(directory) as client:
                client.wait_closed()
            if not is_daemon_running(directory):
                return

    def stop(self, report: Callable[[], None]) -> None:
        """Have the daemon stop with its grace, and return when it has ended; a second call has it end its jobs now.

        `report` is called every `PENDING_SECONDS` meanwhile.
        """
        now = self._is_stopping.is_set()
        self._is_stopping.set()
        is_asked = False
        while not self._has_ended.is_set():
            report()
            if not is_asked:
                # It may be at its start, and not answer yet.
                with contextlib.suppress(SchedulerError), Client(Path(self._service.state)) as client:
                    client.call("stop", now=now, leave_running=False)
                    is_asked = True
            self._has_ended.wait(PENDING_SECONDS)


def make_service_class(host: DaemonHost, name: str, end: Callable[[int], Any]) -> type:
    """Return the class by which pywin32 serves Windows; `end` as of `serve`."""
    calls: Any = import_module("win32service")
    framework: Any = import_module("win32serviceutil").ServiceFramework

    class RaeAutoService(framework):  # type: ignore[misc]
        """The service, as pywin32 calls it: each control in the thread of Windows' requests."""

        _svc_name_ = name
        _svc_display_name_ = name

        def SvcDoRun(self) -> None:  # noqa: N802 - pywin32's name
            """Run the daemon, after pywin32 has reported to Windows that the service runs."""
            if code := host.run():
                end(code)

        def SvcStop(self) -> None:  # noqa: N802 - pywin32's name
            """Stop it, and tell Windows so until it has ended."""
            self._report_pending()
            threading.Thread(target=host.stop, args=[self._report_pending], daemon=True).start()

        def SvcOtherEx(self, control: int, event_type: int, data: Any) -> None:  # noqa: N802 - pywin32's name
            """Stop it before the machine goes down."""
            if control == calls.SERVICE_CONTROL_PRESHUTDOWN:
                self.SvcStop()

        def GetAcceptedControls(self) -> int:  # noqa: N802 - pywin32's name
            """Return which controls Windows may send; of a shutdown the earlier word, which leaves more time."""
            accepted: int = framework.GetAcceptedControls(self)
            return accepted | int(calls.SERVICE_ACCEPT_PRESHUTDOWN)

        def _report_pending(self) -> None:
            self.ReportServiceStatus(calls.SERVICE_STOP_PENDING, waitHint=PENDING_HINT_MILLISECONDS)

    return RaeAutoService


def serve(service: HostedService, end: Callable[[int], Any] = os._exit) -> None:
    """Serve Windows until the service has stopped; `end` ends the process of one whose daemon failed."""
    manager: Any = import_module("servicemanager")
    host = DaemonHost(service, manager.LogErrorMsg)
    manager.Initialize(service.name, None)
    manager.PrepareToHostSingle(make_service_class(host, service.name, end))
    manager.StartServiceCtrlDispatcher()


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, and return an exit code."""
    verb, file = sys.argv[1:3] if arguments is None else arguments
    try:
        service = HostedService.read(Path(file))
        if verb == "run":
            serve(service)
            return 0
        services = WindowsServices(service, Path(file))
        answer = {
            "install": services.install,
            "remove": services.remove,
            "start": services.start,
            "stop": services.stop,
            "is-installed": services.is_installed,
            "is-running": services.is_running,
        }[verb]()
    except (SchedulerError, OSError, ValueError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 1 if answer is False else 0


if __name__ == "__main__":
    sys.exit(main())
