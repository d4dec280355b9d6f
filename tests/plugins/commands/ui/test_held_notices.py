"""Notices that are not delivered yet: those that are held need no one, those that fail do."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from tests.plugins.commands.ui.conftest import Page, start_page, stop
from tests.support.daemons import Daemons, stop_at_once

from rae_auto.api.store import Put
from rae_auto.model import documents
from rae_auto.model.notices.outbox import Hold, OutboxNotice
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import JobId
from rae_auto.records.state_directory import claim_state_directory
from rae_plugins.stores.sqlite import SqliteStore

CONFIG = """
timezone = "UTC"

[jobs.a]
command = ["true"]

[notifiers.ops]
type = "command"
command = ["true"]
"""
AT = datetime(2026, 11, 1, tzinfo=UTC)
NEVER = datetime(2099, 1, 1, 22, 0, tzinfo=UTC)


def notice(name: str, **facts: object) -> OutboxNotice:
    text = f"{name} happened"
    return OutboxNotice(
        id=name, notifier="ops", kind=NotifyOn.FAILURE, job=JobId("a"), at=AT, text=text, decided_at=AT, **facts
    )  # type: ignore[arg-type]


HELD = [notice(f"held-{hold}", hold=hold, held_until=NEVER) for hold in Hold]
FAILING = notice("failing", tries=3, error="connection refused", next_try_at=NEVER)
GIVEN_UP = notice("given-up", tries=9, error="no such address", given_up_at=AT)


def serve(tmp_path: object, notices: list[OutboxNotice]) -> Iterator[Page]:
    daemons = Daemons(tmp_path, CONFIG)  # type: ignore[arg-type]
    store = SqliteStore()
    store.open(claim_state_directory(daemons.state))
    store.commit([Put(documents.NOTICE, one.key, documents.dump(one)) for one in notices])
    store.close()
    process = daemons.serve()
    page = start_page(daemons)
    yield page
    stop(page.process)
    stop_at_once(process)
    for listener in daemons.listening:
        listener.join()


@pytest.fixture(scope="module")
def quiet_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    yield from serve(tmp_path_factory.mktemp("held"), HELD)


@pytest.fixture(scope="module")
def failing_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    yield from serve(tmp_path_factory.mktemp("failing"), [*HELD, FAILING, GIVEN_UP])


@pytest.mark.parametrize("hold", Hold)
def test_health_says_until_when_a_notice_is_held_and_why(quiet_page: Page, hold: Hold) -> None:
    text = quiet_page.ask("/health").text
    assert f"held-{hold} happened" in text
    assert f"({hold.replace('_', ' ')})" in text
    assert text.count("held until ") == len(Hold)
    assert 'datetime="2099-01-01T22:00:00+00:00"' in text


def test_held_notices_need_no_one(quiet_page: Page) -> None:
    assert "All is well" in quiet_page.ask("/").text
    assert quiet_page.ask("/api/overview").text.count("happened") == 0


def test_health_distinguishes_notices_that_fail_and_that_were_given_up(failing_page: Page) -> None:
    text = failing_page.ask("/health").text
    assert "3 tries, again " in text
    assert "given up after 9 tries: no such address" in text
    assert text.count('datetime="2026-11-01T00:00:00+00:00"') == 2 * len([*HELD, FAILING, GIVEN_UP])
    assert text.count("held until ") == len(Hold)


def test_now_names_notices_that_fail(failing_page: Page) -> None:
    text = failing_page.ask("/").text
    assert "can&#39;t deliver 1 notice (connection refused)" in text
    assert "gave up 1 notice (no such address)" in text
    assert "held-" not in text
