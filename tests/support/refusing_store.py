"""A store in memory that refuses commits."""

from typing import Any

from rae_auto.errors import StoreError
from rae_auto.testing.memory_store import MemoryStore


class RefusingStore(MemoryStore):
    """A store that refuses the next `refusals` commits, as on a full disk, and counts the attempts."""

    refusals: float = 0
    attempts = 0

    def commit(self, changes: Any) -> None:
        self.attempts += 1
        if self.refusals:
            self.refusals -= 1
            raise StoreError("no space left on device")
        super().commit(changes)
