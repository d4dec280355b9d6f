"""The document in which a source stores its state over restarts."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from rae_auto.toolkit.state_file import StateFile


def load(path: Path) -> Any:
    return asyncio.run(StateFile(path, "backup").load(lambda document: document["n"]))


def test_load_returns_the_saved_document(tmp_path: Path, log: list[str]) -> None:
    path = tmp_path / "trigger" / "state.json"
    assert load(path) is None
    asyncio.run(StateFile(path).save({"n": 5}))
    assert load(path) == 5
    assert path.parent.stat().st_mode & 0o077 == 0
    assert log == []


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"m": 5}', "[" * 100_000])
def test_load_of_a_damaged_file_is_none_with_one_warning(tmp_path: Path, content: str, log: list[str]) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    assert load(path) is None
    (line,) = log
    assert str(path) in line
    assert "the trigger starts from nothing" in line


def test_cancelled_save_returns_after_the_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, may_end, write = threading.Event(), threading.Event(), StateFile.write

    def slow(file: StateFile, document: Any) -> None:
        started.set()
        assert may_end.wait(60)
        write(file, document)

    async def main() -> None:
        saving = asyncio.ensure_future(StateFile(tmp_path / "state.json").save({"n": 1}))
        await asyncio.to_thread(started.wait, 60)
        saving.cancel()
        await asyncio.sleep(0)
        assert not saving.done()
        may_end.set()
        await asyncio.wait({saving})
        assert saving.cancelled()
        assert json.loads((tmp_path / "state.json").read_text()) == {"n": 1}

    monkeypatch.setattr(StateFile, "write", slow)
    asyncio.run(main())
