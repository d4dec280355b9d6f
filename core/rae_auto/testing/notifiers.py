"""Conformance suite of notifiers."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from rae_auto.api import Notice, Notifier
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import RunState
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.time_limits import run_within_limit

NOTICE = Notice(
    kind=NotifyOn.FAILURE,
    job=JobId("backup"),
    run=RunId("backup-1"),
    state=RunState.FAILED,
    at=datetime(2026, 1, 31, 18, tzinfo=UTC),
    text="backup failed: exit code 3",
    exit_code=3,
    attempt=1,
    id="backup-1.failure",
)
"""A notice as it is sent when a run fails."""


class NotifierConformance(PluginConformance):
    """Conformance suite of notifiers. A subclass has three fixtures.

    `plugin` is a notifier that works, `read` a function that returns the texts of all notices that have arrived,
    `failing` a notifier that can't deliver.
    """

    def test_notice_arrives(self, plugin: Notifier, read: Callable[[], list[str]]) -> None:
        run_within_limit(plugin.notify(NOTICE), "notify")
        assert read() == [NOTICE.text]

    @pytest.mark.parametrize(
        "text", ["$(touch x); 'a' \"b\" `c`", "{0.__class__} %s <b>&amp;", "-rf --help", "grüße ☂", "x" * 2000]
    )
    def test_text_arrives_unchanged(self, plugin: Notifier, read: Callable[[], list[str]], text: str) -> None:
        run_within_limit(plugin.notify(attrs.evolve(NOTICE, text=text)), "notify")
        assert read() == [text]

    def test_notice_without_exit_code_arrives(self, plugin: Notifier, read: Callable[[], list[str]]) -> None:
        recovered = attrs.evolve(NOTICE, kind=NotifyOn.RECOVERY, state=RunState.SUCCEEDED, exit_code=None)
        run_within_limit(plugin.notify(recovered), "notify")
        assert read() == [NOTICE.text]

    def test_notice_about_no_run_arrives(self, plugin: Notifier, read: Callable[[], list[str]]) -> None:
        run_within_limit(
            plugin.notify(Notice(kind=NotifyOn.FAILURE, job=NOTICE.job, at=NOTICE.at, text=NOTICE.text)), "notify"
        )
        assert read() == [NOTICE.text]

    def test_gathered_notices_arrive(self, plugin: Notifier, read: Callable[[], list[str]]) -> None:
        several = Notice(kind=NotifyOn.FAILURE, job=JobId(""), at=NOTICE.at, text="2 notices", notices=(NOTICE, NOTICE))
        run_within_limit(plugin.notify(several), "notify")
        assert read() == ["2 notices"]

    def test_concurrent_notices_all_arrive(self, plugin: Notifier, read: Callable[[], list[str]]) -> None:
        texts = [f"notice {number}" for number in range(5)]

        async def send() -> None:
            sending: list[Any] = [plugin.notify(attrs.evolve(NOTICE, text=text)) for text in texts]
            await asyncio.gather(*sending)

        run_within_limit(send(), "notify")
        assert sorted(read()) == texts

    def test_failure_is_raised(self, failing: Notifier) -> None:
        async def send() -> None:
            with pytest.raises(Exception):  # noqa: B017 - any error of the notifier
                await failing.notify(NOTICE)

        run_within_limit(send(), "notify")
