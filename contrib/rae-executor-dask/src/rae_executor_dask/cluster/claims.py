"""Files that say where an attempt may start: one per attempt, made once, durable before it counts."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from rae_auto.toolkit.files import sync_directory

KEPT_DAYS = 60
"""Days for which files are left, longer than any worker keeps a run."""

Claim = dict[str, Any]
"""The task that may start the attempt: its worker and relay; "at" and "clock" say when it was made, by this machine."""
NEVER: Claim = {"never": True}


def read_boot_clock() -> float:
    """Return seconds that go on while the machine sleeps, where the system counts them, and that can't be set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def read_boot() -> str:
    """Return what names this boot of the machine; "" where the system doesn't say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def is_never(claim: Claim | None) -> bool:
    """Return whether there is a claim that says that the attempt never starts."""
    return claim is not None and "never" in claim


class ClaimFiles:
    """The claims of attempts in one folder."""

    def __init__(self, directory: Path) -> None:
        """Work in `directory`, which exists."""
        self._directory = directory

    def read(self, token: str) -> Claim | None:
        """Return the claim of an attempt, if there is one. Errors: OSError, ValueError."""
        try:
            claim: Claim = json.loads((self._directory / token).read_bytes())
        except FileNotFoundError:
            return None
        return claim

    def write(self, token: str, claim: Claim) -> Claim:
        """Make the claim unless there is one; return the one that counts. Errors: OSError, ValueError."""
        claim = {**claim, "at": time.time(), "clock": read_boot_clock(), "made_in": read_boot()}
        fresh = self._directory / f".{token}.{os.getpid()}"
        with fresh.open("wb") as file:
            file.write(json.dumps(claim).encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            # Whole or not at all, and only if there is none yet.
            os.link(fresh, self._directory / token)
        except FileExistsError:
            return self.read(token) or claim
        finally:
            fresh.unlink()
        sync_directory(self._directory)
        return claim

    @staticmethod
    def find_age(claim: Claim) -> float:
        """Return the seconds since the claim was made, also before a restart of the daemon or the machine."""
        at, clock, boot = claim.get("at"), claim.get("clock"), claim.get("made_in")
        if clock is not None and boot and boot == read_boot():
            return max(read_boot_clock() - float(clock), 0.0)
        return 0.0 if at is None else max(time.time() - float(at), 0.0)

    def remove_old(self) -> None:
        """Remove those of attempts that are long over."""
        oldest = time.time() - KEPT_DAYS * 86_400
        for path in self._directory.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
