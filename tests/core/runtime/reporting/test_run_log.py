"""Log lines about decisions: the words and the clock that the other lines have."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from loguru import logger

from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.reasons import Overlapping
from rae_auto.runtime import silence_library
from rae_auto.runtime.reporting.run_log import log_decision

AT = datetime(2026, 11, 28, 11, 5, 10, tzinfo=UTC)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message).strip()), format="{level} {message}")
    logger.enable("rae_auto")
    yield lines
    silence_library()
    logger.remove(sink)
    monkeypatch.undo()
    time.tzset()


def test_skip_is_logged_under_its_word_and_in_local_time(log):
    reason = Overlapping("R", AT)
    log_decision(Decision(job="a", trigger="t", key="k", at=AT, decided_at=AT, outcome=Outcome.SKIP, reason=reason))
    assert log == ["INFO skipped: run R of the same job has been open since 2026-11-28 12:05:10 (overlap)"]
