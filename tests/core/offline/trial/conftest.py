"""A trial of a file in this process, which a test moves by its clock."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from tests.support.waiting import until

from rae_auto.model import documents
from rae_auto.offline.trial.messages import Key, TrialFrame, TrialRequest
from rae_auto.offline.trial.trial import Trial

OCTOBER = datetime(2026, 10, 24, 12, tzinfo=UTC)


@frozen
class Messages:
    """The viewer's end of a channel."""

    frames: list[TrialFrame] = field(factory=list)

    def send(self, kind: str, body: Any = None) -> None:
        if kind == "frame":
            self.frames.append(documents.load(TrialFrame, body))

    def send_secrets(self, _: list[str]) -> None:
        pass


class TrialAtWork:
    """A trial under way."""

    def __init__(self, trial: Trial, messages: Messages) -> None:
        self._trial = trial
        self._messages = messages

    @property
    def frame(self) -> TrialFrame:
        return self._messages.frames[-1]

    def lines(self, title: str) -> list[str]:
        """The lines of the sections with a title."""
        return [line for section in self.frame.sections if section.title == title for line in section.lines]

    async def press(self, key: Key, seconds: float = 0.0) -> None:
        await self._trial.handle(key, seconds)

    async def wait_for(self, title: str, holds: Callable[[list[str]], Any]) -> list[str]:
        """Wait until the lines of a title are as wanted, and return them."""
        await until(lambda: self._messages.frames and holds(self.lines(title)))
        return self.lines(title)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Try a module with this source, and call a coroutine function with the trial at work."""

    def play_it(name: str, source: str, work: Any, **request: Any) -> None:
        monkeypatch.syspath_prepend(tmp_path)
        file = tmp_path / f"{name}.py"
        file.write_text(source)
        folder, messages = tmp_path / "folder", Messages()
        folder.mkdir()
        fields = {"at": OCTOBER, "zone": "Europe/Berlin", "is_running": False, **request}

        async def run() -> None:
            trial = Trial(TrialRequest(target=str(file), **fields), folder, messages)  # type: ignore[arg-type]
            task = asyncio.ensure_future(trial.run())
            try:
                await until(lambda: messages.frames or task.done())
                await work(TrialAtWork(trial, messages))
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(run())

    return play_it
