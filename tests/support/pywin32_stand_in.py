"""A stand-in of pywin32's modules for services: a control manager whose services run in threads of this process.

It has the functions and constants that `rae_auto.service` uses, with the numbers of errors that Windows answers with.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rae_auto.service import windows_host, windows_service

STOPPED, START_PENDING, STOP_PENDING, RUNNING = 1, 2, 3, 4
_STOP, _PRESHUTDOWN = 1, 0xF


class Error(Exception):
    """pywintypes.error."""

    def __init__(self, winerror: int, strerror: str) -> None:
        super().__init__(winerror, "a function", strerror)
        self.winerror, self.strerror = winerror, strerror


class _EndOfProcess(BaseException):
    """The end of a process, in the thread that stands for it here."""


class _Service:
    def __init__(self, line: str, account: str) -> None:
        self.line, self.account = line, account
        self.settings: dict[int, Any] = {}
        self.state = STOPPED
        self.exit_code: int | None = None
        self.instance: Any = None
        self.hints: list[int] = []
        self.thread: threading.Thread | None = None


class ServiceControlManager:
    """The services of a machine, and the modules by which programs speak with it."""

    def __init__(self) -> None:
        self.services: dict[str, _Service] = {}
        self.errors: list[str] = []
        self.is_administrator = True
        self._of_thread = threading.local()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the modules where imports find them."""
        for module in self._modules():
            monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
        monkeypatch.setattr(windows_service, "has_pywin32", lambda: True)

    def send(self, name: str, control: int = _PRESHUTDOWN) -> None:
        """Send a control to a service that accepts it, as a shutdown does."""
        instance = self.services[name].instance
        accepted = instance.GetAcceptedControls()
        assert control != _PRESHUTDOWN or accepted & 0x100, "the service doesn't accept it"
        instance.SvcOtherEx(control, 0, None)

    def await_end(self, name: str) -> None:
        thread = self.services[name].thread
        assert thread is not None
        thread.join(60)
        assert not thread.is_alive()

    # The functions of win32service

    def open_manager(self, _machine: None, _database: None, access: int) -> str:
        if access == 0xF003F and not self.is_administrator:
            raise Error(5, "Access is denied.")
        return "manager"

    def create(self, _manager: str, name: str, _title: str, _access: int, *rest: Any) -> str:
        if name in self.services:
            raise Error(1073, "The specified service already exists.")
        self.services[name] = _Service(rest[3], rest[7])
        return name

    def open(self, _manager: str, name: str, _access: int) -> str:
        if name not in self.services:
            raise Error(1060, "The specified service does not exist as an installed service.")
        return name

    def change(self, name: str, *rest: Any) -> None:
        self.services[name].line, self.services[name].account = rest[3], rest[7]

    def set(self, name: str, level: int, value: Any) -> None:
        self.services[name].settings[level] = value

    def start(self, name: str, _arguments: None) -> None:
        service = self.services[name]
        if service.state != STOPPED:
            raise Error(1056, "An instance of the service is already running.")
        service.state = START_PENDING
        service.thread = threading.Thread(target=self._run, args=[service], daemon=True)
        service.thread.start()

    def control(self, name: str, control: int) -> None:
        service = self.services[name]
        if service.state == STOPPED:
            raise Error(1062, "The service has not been started.")
        assert control == _STOP
        service.instance.SvcStop()

    def query(self, name: str) -> tuple[int, int]:
        return (0x10, self.services[name].state)

    def delete(self, name: str) -> None:
        del self.services[name]

    def _run(self, service: _Service) -> None:
        self._of_thread.service = service
        path = Path(service.line.split('" ')[-1].split(" ")[-1].strip('"'))
        try:
            windows_host.serve(windows_service.HostedService.read(path), self._end)
            service.exit_code = 0
        except _EndOfProcess as ended:
            (service.exit_code,) = ended.args
        service.state = STOPPED

    @staticmethod
    def _end(code: int) -> None:
        raise _EndOfProcess(code)

    # The host's side

    def _dispatch(self) -> None:
        service = self._of_thread.service
        service.instance = service.made(["rae-auto"])
        service.instance.SvcRun()

    def _prepare(self, made: type) -> None:
        self._of_thread.service.made = made

    def _modules(self) -> list[ModuleType]:
        calls = _make_module(
            "win32service",
            OpenSCManager=self.open_manager, CreateService=self.create, OpenService=self.open,
            ChangeServiceConfig=self.change, ChangeServiceConfig2=self.set, StartService=self.start,
            ControlService=self.control, QueryServiceStatus=self.query, DeleteService=self.delete,
            CloseServiceHandle=lambda _: None,
            SC_MANAGER_ALL_ACCESS=0xF003F, SC_MANAGER_CONNECT=1, SERVICE_ALL_ACCESS=0xF01FF, SERVICE_START=0x10,
            SERVICE_STOP=0x20, SERVICE_QUERY_STATUS=4, SERVICE_WIN32_OWN_PROCESS=0x10, SERVICE_AUTO_START=2,
            SERVICE_ERROR_NORMAL=1, SERVICE_CONFIG_DESCRIPTION=1, SERVICE_CONFIG_FAILURE_ACTIONS=2,
            SERVICE_CONFIG_DELAYED_AUTO_START_INFO=3, SERVICE_CONFIG_PRESHUTDOWN_INFO=7, SC_ACTION_RESTART=1,
            SERVICE_STOPPED=STOPPED, SERVICE_START_PENDING=START_PENDING, SERVICE_STOP_PENDING=STOP_PENDING,
            SERVICE_RUNNING=RUNNING, SERVICE_CONTROL_STOP=_STOP, SERVICE_CONTROL_PRESHUTDOWN=_PRESHUTDOWN,
            SERVICE_ACCEPT_PRESHUTDOWN=0x100,
        )  # fmt: skip
        manager = _make_module(
            "servicemanager",
            Initialize=lambda *_: None, PrepareToHostSingle=self._prepare, StartServiceCtrlDispatcher=self._dispatch,
            LogErrorMsg=self.errors.append,
        )  # fmt: skip
        framework = _make_module("win32serviceutil", ServiceFramework=_make_framework(self._of_thread))
        return [calls, manager, framework, _make_module("pywintypes", error=Error)]


def _make_framework(of_thread: threading.local) -> type:
    class ServiceFramework:
        """The base class, as far as it decides anything."""

        def __init__(self, _arguments: list[str]) -> None:
            self.service = of_thread.service

        def GetAcceptedControls(self) -> int:
            return 1

        def ReportServiceStatus(self, state: int, waitHint: int = 5000, **_: Any) -> None:  # noqa: N803
            # What a service reports after its end is ignored.
            if self.service.state != STOPPED:
                self.service.state = state
            self.service.hints.append(waitHint)

        def SvcRun(self) -> None:
            self.ReportServiceStatus(RUNNING)
            self.SvcDoRun()  # type: ignore[attr-defined]
            self.ReportServiceStatus(STOP_PENDING)

    return ServiceFramework


def _make_module(name: str, **content: int | type | Callable[..., Any]) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content)
    return module
