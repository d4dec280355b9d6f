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
NEVER: Claim = {"never": True}


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

    def remove_old(self) -> None:
        """Remove those of attempts that are long over."""
        oldest = time.time() - KEPT_DAYS * 86_400
        for path in self._directory.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
