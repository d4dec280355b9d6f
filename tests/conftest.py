"""Shared by all tests: hypothesis profiles, the log, and signals as a terminal has them."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from loguru import logger

from rae_auto.runtime import silence_library

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a script, with nohup or in some CI; all that the tests start would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of the log: level, what is bound to it, and message."""
    lines: list[str] = []
    handler = logger.add(
        lambda message: lines.append(str(message).strip()), format="{level} {extra} {message}", level="INFO"
    )
    logger.enable("rae_auto")
    yield lines
    silence_library()
    logger.remove(handler)
