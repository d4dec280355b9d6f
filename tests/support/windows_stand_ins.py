"""Stand-ins for what only Windows has, for the edges of its adapters."""

import threading
from collections.abc import Callable
from pathlib import Path

OWN_SID = "S-1-5-21-1004336348-1177238915-682003330-1001"


class FakeSecurity:
    """Security descriptors in a dictionary; a file without one inherits from the folder above."""

    def __init__(self, descriptors: dict[str, str] | None = None, default: str = "") -> None:
        self.descriptors = descriptors or {}
        self.default = default or f"O:{OWN_SID}G:BUD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;{OWN_SID})"

    def own_sid(self) -> str:
        return OWN_SID

    def read(self, path: Path) -> str:
        path.lstat()
        places = [str(path), *map(str, path.parents)]
        return next((self.descriptors[place] for place in places if place in self.descriptors), self.default)

    def write(self, path: Path, descriptor: str) -> None:
        path.lstat()
        self.descriptors[str(path)] = f"O:{OWN_SID}G:BU{descriptor}"


class FakeConsole:
    """Console events, each reported in a thread of its own, as Windows does it."""

    def __init__(self) -> None:
        self.handlers: list[Callable[[int], bool]] = []

    def add(self, handler: Callable[[int], bool]) -> None:
        self.handlers.insert(0, handler)

    def remove(self, handler: Callable[[int], bool]) -> None:
        self.handlers.remove(handler)

    def send(self, event: int) -> threading.Thread:
        def report() -> None:
            any(handler(event) for handler in list(self.handlers))

        thread = threading.Thread(target=report, daemon=True)
        thread.start()
        return thread


class FakeMove:
    """MoveFileExW, with errors of Windows first."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, source: str, target: str) -> int:
        self.calls += 1
        if self.errors:
            return self.errors.pop(0)
        Path(source).replace(target)
        return 0
