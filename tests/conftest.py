"""Shared by all tests: hypothesis profiles, and the log."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from loguru import logger

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of the log: level, what is bound to it, and message."""
    lines: list[str] = []
    handler = logger.add(
        lambda message: lines.append(str(message).strip()), format="{level} {extra} {message}", level="INFO"
    )
    yield lines
    logger.remove(handler)
