"""Entries that this version doesn't understand: named, and left out."""

import asyncio
from datetime import UTC, datetime

import pytest
from tests.core.records.test_statistics import run

from rae_auto import Run, Scheduler
from rae_auto.api.store import Append, Document, LogQuery
from rae_auto.explain.screen_reads import newest_bodies
from rae_auto.model import documents
from rae_auto.records.entries import KnownEntries, load_entries
from rae_auto.testing.memory_store import MemoryStore

NOW = datetime.now(UTC)
"""Not earlier, so that no retention deletes the entries."""

FOREIGN = [{"id": "x", "job": "a"}, {}, {"id": 7, "queued_at": []}]


def append(key: str, body: dict) -> Append:
    return Append(documents.RUNS, key, "a", "succeeded", NOW, body)


@pytest.mark.parametrize("body", FOREIGN)
def test_foreign_entry_is_named_and_left_out(body) -> None:
    messages: list[str] = []
    assert load_entries(Run, [body], messages.append) == []
    (message,) = messages
    assert message.startswith("a run on record (")
    assert "can't be read and is left out" in message


@pytest.mark.parametrize("body", FOREIGN)
def test_foreign_entry_ends_no_list_of_a_screen(body, tmp_path) -> None:
    store = MemoryStore()
    store.open(tmp_path)
    store.commit([append("good", run()), append("foreign", body)])
    assert len(newest_bodies(store, documents.RUNS, [LogQuery()])) == 2


@pytest.mark.parametrize("body", FOREIGN)
def test_foreign_entry_ends_no_history(body, tmp_path) -> None:
    async def ask() -> list[str]:
        async with Scheduler(directory=tmp_path, store=(store := MemoryStore())) as scheduler:
            store.commit([append("good", run()), append("foreign", body)])
            assert (await scheduler.statistics()).runs == 1
            return [found.id for found in await scheduler.history()]

    assert asyncio.run(ask()) == ["r"]


def test_known_entries_are_made_again_only_for_another_document() -> None:
    made: list[str] = []

    def make(body: Document) -> str | None:
        made.append(body["text"])
        return body["text"] or None

    known = KnownEntries(make, capacity=2)
    first, second, empty = {"id": "a", "text": "one"}, {"id": "b", "text": "two"}, {"id": "c", "text": ""}
    assert known.read([first, second]) == ["one", "two"]
    assert known.read([dict(first), {"id": "b", "text": "changed"}, empty, empty]) == ["one", "changed"]
    assert made == ["one", "two", "changed", ""]
    # "a" has not been used for longest, and only two are retained.
    assert known.read([first]) == ["one"]
    assert made[4:] == ["one"]
