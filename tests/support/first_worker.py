"""Workers of pytest-xdist read the same tests: one before the others, to which it leaves them compiled."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def one_worker_first(config: pytest.Config) -> Iterator[None]:
    """Let the first worker of a run be here alone, and all others together when it has left."""
    if not hasattr(config, "workerinput"):
        yield
        return
    with one_first(Path(config.option.basetemp).parent / "collected"):
        yield


@contextmanager
def one_first(path: Path) -> Iterator[None]:
    """Let the first process that comes be here alone, and all others together when it has left."""
    import fcntl  # where several workers run tests

    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_size:
            fcntl.flock(file, fcntl.LOCK_UN)
            yield
            return
        try:
            yield
        finally:
            file.write(b"1")
