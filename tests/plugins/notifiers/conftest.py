"""Fixtures and helpers of the tests of notifiers that speak HTTP."""

import asyncio
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from tests.support.http_service import Service

from rae_auto.api import Notifier
from rae_auto.testing.notifiers import NOTICE


@pytest.fixture
def service() -> Iterator[Service]:
    """A server that answers as a test says."""
    started = Service()
    yield started
    started.close()


def notify(notifier: Notifier, **changes: Any) -> None:
    """Deliver a notice with some changes."""
    asyncio.run(notifier.notify(attrs.evolve(NOTICE, **changes)))
