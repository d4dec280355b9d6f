"""The small document that a source keeps over restarts."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from rae_auto.toolkit.state_file import StateFile


def load(path: Path) -> Any:
    return asyncio.run(StateFile(path, "backup").load(lambda document: document["n"]))


def test_what_is_kept_is_loaded_by_the_next(tmp_path: Path, log: list[str]) -> None:
    path = tmp_path / "trigger" / "state.json"
    assert load(path) is None
    asyncio.run(StateFile(path).keep({"n": 5}))
    assert load(path) == 5
    assert path.parent.stat().st_mode & 0o077 == 0
    assert log == []


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"m": 5}', "[" * 100_000])
def test_what_is_of_no_use_is_nothing_and_said_once(tmp_path: Path, content: str, log: list[str]) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    assert load(path) is None
    (said,) = log
    assert str(path) in said
    assert "it begins anew" in said


def test_one_that_is_cancelled_ends_when_its_document_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end, write = threading.Event(), threading.Event(), StateFile.write

    def slow(file: StateFile, document: Any) -> None:
        begun.set()
        assert may_end.wait(60)
        write(file, document)

    async def main() -> None:
        keeping = asyncio.ensure_future(StateFile(tmp_path / "state.json").keep({"n": 1}))
        await asyncio.to_thread(begun.wait, 60)
        keeping.cancel()
        await asyncio.sleep(0)
        assert not keeping.done()
        may_end.set()
        await asyncio.wait({keeping})
        assert keeping.cancelled()
        assert json.loads((tmp_path / "state.json").read_text()) == {"n": 1}

    monkeypatch.setattr(StateFile, "write", slow)
    asyncio.run(main())
