"""A simulated full disk: the files of the process can't grow beyond a limit."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FILE_SIZE_LIMIT_BYTES = 64_000


@contextmanager
def limit_files() -> Iterator[None]:
    """Let no file of this process grow beyond a limit, as on a full disk."""
    resource = pytest.importorskip("resource", reason="this machine limits no files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler: Callable[..., Any] | int | None = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE_LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
