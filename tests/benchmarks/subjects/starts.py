"""The job of the line "lateness": it notes when it starts. A module of its own, so that workers find it by name."""

import time

AT: list[float] = []


def note() -> None:
    """Note the time."""
    AT.append(time.time())
