"""Processes by more than their number: pid, start time and boot id, so that a stranger is never signalled."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import frozen

_PROC = Path("/proc")


@frozen
class ProcessIdentity:
    """One process of one boot; `ticks` is its start in clock ticks since then (field 22 of proc(5)'s stat)."""

    pid: int
    ticks: int | None
    boot: str | None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "ProcessIdentity | None":
        """The identity in a start record or a handle, if it has enough to tell the process from any other."""
        pid, ticks, boot = record.get("pid"), record.get("ticks"), record.get("boot")
        if isinstance(pid, int) and pid > 1 and isinstance(ticks, int) and isinstance(boot, str):
            return cls(pid, ticks, boot)
        return None

    @property
    def handle(self) -> dict[str, Any]:
        """The identity as JSON."""
        return {"pid": self.pid, "ticks": self.ticks, "boot": self.boot}

    def alive(self) -> bool:
        """Whether this very process runs; a zombie doesn't."""
        stat = _Stat.of(self.pid)
        return self.boot == boot_id() and stat is not None and stat.ticks == self.ticks and not stat.zombie


@frozen
class _Stat:
    zombie: bool
    session: int
    ticks: int

    @classmethod
    def of(cls, pid: int) -> "_Stat | None":
        try:
            fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        return cls(fields[0] in (b"Z", b"X"), int(fields[3]), int(fields[19]))


@frozen
class Tree:
    """All processes of an attempt: its session, and what left that but carries the run's mark in its environment."""

    leader: ProcessIdentity
    run: str

    def signal(self, number: signal.Signals) -> None:
        """Signal them all."""
        leader = _Stat.of(self.leader.pid)
        # While anything of the group lives, nobody else gets its number; a stranger's start time tells.
        if leader is None or leader.ticks == self.leader.ticks:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.leader.pid, number)
        for pid in self.members():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def members(self) -> list[int]:
        """Those that live."""
        leader = _Stat.of(self.leader.pid)
        session = self.leader.pid if leader is None or leader.ticks == self.leader.ticks else None
        mark = b"RAE_RUN_ID=" + self.run.encode() + b"\0"
        return [pid for pid, stat in _processes() if stat.session == session or mark in _environment(pid)]


def boot_id() -> str | None:
    """What tells this boot of the machine from any other."""
    with suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return None


def _processes() -> Iterator[tuple[int, _Stat]]:
    for entry in os.listdir(_PROC) if _PROC.is_dir() else ():  # noqa: PTH208 - ten times as fast, and called while killing
        if entry.isdigit() and (stat := _Stat.of(int(entry))) is not None and not stat.zombie:
            yield int(entry), stat


def _environment(pid: int) -> bytes:
    with suppress(OSError):
        return (_PROC / str(pid) / "environ").read_bytes() + b"\0"
    return b""
