"""Values that are dear to make and that tests only read: made once in a run, by the worker that needs one first."""

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

Value = TypeVar("Value")


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[], Value]) -> Value:
    """Return what `make` returns, in this process or in another worker of this run, as a copy of its own.

    A worker that needs it meanwhile waits: the processors make the first one sooner than two at once.
    """
    base = factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    kept = folder / f"{name}.pickle"
    with _alone(folder / f"{name}.lock"):
        if not kept.exists():
            kept.write_bytes(pickle.dumps(make()))
    value: Value = pickle.loads(kept.read_bytes())
    return value


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    import fcntl  # where daemons run

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
