"""Waiting for what comes to pass sooner or later: never a sleep and a hope."""

import time
from collections.abc import Callable
from typing import Any


def eventually(holds: Callable[[], Any], within: float = 60.0) -> Any:
    """What `holds` gives once it is true; looked at again and again, for at most so many seconds."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < deadline, "it didn't come to pass"
        time.sleep(0.01)
    return found
