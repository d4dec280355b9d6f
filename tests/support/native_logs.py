"""The logs of Windows and macOS, as tests read them: the real ones there, and stand-ins of their modules elsewhere."""

import json
import subprocess
import sys
import time
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

SOURCE = "rae-auto"

_MESSAGE_TYPES = {"Default": 0, "Info": 1, "Debug": 2, "Error": 16, "Fault": 17}
"""The types as the command log names them."""

OS_LOG_KINDS = {"DEFAULT": 0, "INFO": 1, "DEBUG": 2, "ERROR": 16, "FAULT": 17}


def pretend_module(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__file__ = f"{name}.pyd"
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)
    return module


class FakeEventLog:
    """Stand-ins of the modules of pywin32, which keep what they are called with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[int, int, list[str]]] = []
        self.sources: list[str] = []
        self.opened = 0
        self.fails = False
        pretend_module(
            monkeypatch,
            "win32evtlog",
            EVENTLOG_ERROR_TYPE=1,
            EVENTLOG_WARNING_TYPE=2,
            EVENTLOG_INFORMATION_TYPE=4,
            RegisterEventSource=self.register,
            DeregisterEventSource=self.deregister,
            ReportEvent=self.report,
        )
        pretend_module(monkeypatch, "win32evtlogutil", AddSourceToRegistry=self.refuse)

    def register(self, server: None, source: str) -> str:
        self.opened += 1
        self.sources.append(source)
        return source

    def deregister(self, source: str) -> None:
        self.opened -= 1

    def refuse(self, *_: object) -> None:
        raise PermissionError("only an administrator may")

    def report(self, source: str, kind: int, category: int, id_: int, sid: None, texts: list[str], data: None) -> None:
        if self.fails:
            raise RuntimeError("the Event Log is full")
        if any(len(text) > 31_839 for text in texts):
            raise ValueError("Windows refuses a text of this length")
        self.events.append((kind, id_, texts))

    def read(self) -> list[tuple[int, list[str]]]:
        """Return the type and the texts of each event, the oldest first."""
        return [(kind, texts) for kind, _, texts in self.events]


class RealEventLog:
    """The Event Log of this machine, from now on."""

    def __init__(self) -> None:
        api: Any = pytest.importorskip("win32evtlog", reason="pywin32 isn't installed")
        self._api = api
        self._first = self._count()

    def _count(self) -> int:
        handle = self._api.OpenEventLog(None, "Application")
        try:
            oldest: int = self._api.GetOldestEventLogRecord(handle)
            return oldest + int(self._api.GetNumberOfEventLogRecords(handle))
        finally:
            self._api.CloseEventLog(handle)

    def read(self) -> list[tuple[int, list[str]]]:
        """Return the type and the texts of each event, the oldest first."""
        handle = self._api.OpenEventLog(None, "Application")
        flags = self._api.EVENTLOG_FORWARDS_READ | self._api.EVENTLOG_SEQUENTIAL_READ
        found = []
        try:
            while events := self._api.ReadEventLog(handle, flags, 0):
                found += [event for event in events if event.RecordNumber >= self._first]
        finally:
            self._api.CloseEventLog(handle)
        return [(event.EventType, list(event.StringInserts or ())) for event in found if event.SourceName == SOURCE]


class FakeUnifiedLog:
    """A stand-in of pyoslog."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines: list[tuple[int, str]] = []
        pretend_module(
            monkeypatch,
            "pyoslog",
            os_log_create=lambda subsystem, category: (subsystem, category),
            os_log_with_type=lambda log, kind, text: self.lines.append((kind, text)),
            **{f"OS_LOG_TYPE_{name}": number for name, number in OS_LOG_KINDS.items()},
        )

    def read(self) -> list[tuple[int, str]]:
        """Return the type and the text of each line, the oldest first."""
        return list(self.lines)


class RealUnifiedLog:
    """The unified log of this machine, from now on."""

    def __init__(self) -> None:
        self._since = time.strftime("%Y-%m-%d %H:%M:%S")

    def read(self) -> list[tuple[int, str]]:
        """Return the type and the text of each line, the oldest first."""
        predicate = f'subsystem == "{SOURCE}" OR process == "logger"'
        words = ["log", "show", "--info", "--debug", "--style", "ndjson", "--start", self._since]
        done = subprocess.run([*words, "--predicate", predicate], capture_output=True, text=True, timeout=120)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return [(_MESSAGE_TYPES[line["messageType"]], line["eventMessage"]) for line in lines if "messageType" in line]


def is_wine() -> bool:
    """Return whether this Windows is Wine, which keeps no Event Log."""
    if sys.platform != "win32":
        return False
    import ctypes

    return hasattr(ctypes.windll.ntdll, "wine_get_version")
