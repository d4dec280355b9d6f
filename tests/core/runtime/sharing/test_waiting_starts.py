"""A start that waits for a shared store."""

import asyncio
import gc
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from rae_auto import Scheduler, StoreError
from rae_auto.api.plugin import Kind
from rae_auto.api.shared_store import Node, SharedStore, Standby
from rae_auto.registry import Registry


@define
class AwayStore(SharedStore):
    """A store that a daemon waits for, until it breaks off."""

    type = "away"

    def stand_by(self, directory: Path, node: Node, report: Callable[[Standby], None]) -> None:
        report(Standby(problem="it is away"))
        raise StoreError("broken off")

    def watch(self, on_lost: object, on_message: object) -> None:
        pass

    def interrupt(self) -> None:
        pass


AwayStore.__abstractmethods__ = frozenset()


class Source:
    """The installed plugins, and the store."""

    def names(self, kind: Kind) -> Collection[str]:
        return {*Registry().names(kind), "away"}

    def get(self, kind: Kind, name: str) -> Any:
        return AwayStore if name == "away" else Registry().get(kind, name)

    def provenance(self, kind: Kind, name: str) -> str:
        return "rae-away 1.0"


def test_garbage_is_looked_for_as_usual_while_a_start_stands_by(tmp_path: Path) -> None:
    """It may do so for days."""
    before, meanwhile = gc.get_threshold(), []

    async def wait() -> None:
        scheduler = Scheduler(directory=tmp_path, store="away", plugins=Source())
        with pytest.raises(StoreError, match="broken off"):
            await scheduler.open(on_standby=lambda why: meanwhile.append((why.problem, gc.get_threshold())))

    asyncio.run(asyncio.wait_for(wait(), 50))
    assert meanwhile == [("it is away", before)]
    assert gc.get_threshold() == before
