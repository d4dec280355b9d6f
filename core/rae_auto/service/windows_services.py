"""The service control manager of Windows, by pywin32: what `sc.exe` does, with one line where it fails."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from rae_auto.errors import SchedulerError
from rae_auto.service.windows_service import HostedService, host_command

RESTART_DELAYS_SECONDS = (5, 60, 60, 60, 60)
"""Times after which Windows starts a service again that has ended without saying so; then it gives up."""

RESET_SECONDS = 24 * 3600
"""Time without such an end after which they count from the first again."""

WAIT_SECONDS = 0.25

_DOES_NOT_EXIST, _EXISTS, _IS_RUNNING, _IS_NOT_RUNNING, _IS_BEING_DELETED, _DENIED = 1060, 1073, 1056, 1062, 1072, 5
_INVALID_LEVEL, _NO_ANSWER = 124, 1053
_HINTS = {
    _DENIED: "run this as an administrator",
    _DOES_NOT_EXIST: "install it with 'rae-auto service install --system'",
    _NO_ANSWER: "its daemon ended at once, and the Event Viewer shows why",
    _IS_BEING_DELETED: "close the Services window, and try again",
}


class WindowsServices:
    """The calls for one service. All raise SchedulerError with what Windows says."""

    def __init__(self, service: HostedService, path: Path, wait: Callable[[float], None] = time.sleep) -> None:
        """`path` is that of the service's file, which its host reads."""
        self._service = service
        self._path = path
        self._wait = wait
        # Modules of Windows, of which type checkers elsewhere know nothing.
        self._calls: Any = import_module("win32service")
        self._error: Any = import_module("pywintypes").error

    def install(self) -> None:
        """Create the service, or change it into what the file says."""
        calls, service = self._calls, self._service
        line = subprocess.list2cmdline(host_command("run", self._path))
        kind = (calls.SERVICE_WIN32_OWN_PROCESS, calls.SERVICE_AUTO_START, calls.SERVICE_ERROR_NORMAL, line)
        with self._manager(calls.SC_MANAGER_ALL_ACCESS) as manager:
            try:
                handle = calls.CreateService(
                    manager, service.name, service.name, calls.SERVICE_ALL_ACCESS, *kind, None, 0, None,
                    service.account, None,
                )  # fmt: skip
            except self._error as error:
                if error.winerror != _EXISTS:
                    raise
                handle = calls.OpenService(manager, service.name, calls.SERVICE_ALL_ACCESS)
                calls.ChangeServiceConfig(handle, *kind, None, 0, None, service.account, None, service.name)
            with contextlib.closing(_Handle(calls, handle)):
                self._describe(handle)

    def _describe(self, handle: Any) -> None:
        calls, service = self._calls, self._service
        text = f"Starts the jobs of {service.config} (rae-auto)"
        actions = [(calls.SC_ACTION_RESTART, seconds * 1000) for seconds in RESTART_DELAYS_SECONDS]
        recovery = {"ResetPeriod": RESET_SECONDS, "RebootMsg": "", "Command": "", "Actions": actions}
        settings = (
            (calls.SERVICE_CONFIG_DESCRIPTION, text),
            (calls.SERVICE_CONFIG_FAILURE_ACTIONS, recovery),
            (calls.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, True),
            # Without it a shutdown would leave it five seconds.
            (calls.SERVICE_CONFIG_PRESHUTDOWN_INFO, service.stop_seconds * 1000),
        )
        for level, value in settings:
            try:
                calls.ChangeServiceConfig2(handle, level, value)
            except self._error as error:
                # Wine knows few of them.
                if error.winerror != _INVALID_LEVEL:
                    raise

    def remove(self) -> None:
        """Delete the service."""
        with self._open_service(self._calls.SERVICE_ALL_ACCESS) as handle:
            self._calls.DeleteService(handle)

    def start(self) -> None:
        """Start it, and wait until it runs."""
        with self._open_service(self._calls.SERVICE_START | self._calls.SERVICE_QUERY_STATUS) as handle:
            try:
                self._calls.StartService(handle, None)
            except self._error as error:
                if error.winerror != _IS_RUNNING:
                    raise
            self._await(handle, self._calls.SERVICE_START_PENDING)
            if self._state(handle) != self._calls.SERVICE_RUNNING:
                raise SchedulerError(
                    f"service {self._service.name} has ended; its daemon ended at once, and the Event Viewer shows why"
                )

    def stop(self) -> None:
        """Stop it, and wait until it has stopped."""
        with self._open_service(self._calls.SERVICE_STOP | self._calls.SERVICE_QUERY_STATUS) as handle:
            try:
                self._calls.ControlService(handle, self._calls.SERVICE_CONTROL_STOP)
            except self._error as error:
                if error.winerror != _IS_NOT_RUNNING:
                    raise
            self._await(handle, self._calls.SERVICE_STOP_PENDING)

    def is_installed(self) -> bool:
        """Return whether there is such a service."""
        try:
            with self._open_service(self._calls.SERVICE_QUERY_STATUS):
                return True
        except SchedulerError:
            return False

    def is_running(self) -> bool:
        """Return whether it runs."""
        try:
            with self._open_service(self._calls.SERVICE_QUERY_STATUS) as handle:
                return bool(self._state(handle) == self._calls.SERVICE_RUNNING)
        except SchedulerError:
            return False

    def _state(self, handle: Any) -> int:
        return int(self._calls.QueryServiceStatus(handle)[1])

    def _await(self, handle: Any, state: int) -> None:
        """Wait while the service is in a state, for as long as it may take to stop."""
        deadline = time.monotonic() + self._service.stop_seconds
        while self._state(handle) == state and time.monotonic() < deadline:
            self._wait(WAIT_SECONDS)

    @contextlib.contextmanager
    def _manager(self, access: int) -> Iterator[Any]:
        try:
            manager = self._calls.OpenSCManager(None, None, access)
            with contextlib.closing(_Handle(self._calls, manager)):
                yield manager
        except self._error as error:
            hint = _HINTS.get(error.winerror, f"error {error.winerror} of Windows")
            raise SchedulerError(f"service {self._service.name}: {str(error.strerror).rstrip('.')}; {hint}") from None

    @contextlib.contextmanager
    def _open_service(self, access: int) -> Iterator[Any]:
        with self._manager(self._calls.SC_MANAGER_CONNECT) as manager:
            handle = self._calls.OpenService(manager, self._service.name, access)
            with contextlib.closing(_Handle(self._calls, handle)):
                yield handle


class _Handle:
    def __init__(self, calls: Any, handle: Any) -> None:
        self._calls, self._handle = calls, handle

    def close(self) -> None:
        self._calls.CloseServiceHandle(self._handle)
