"""The file of messages: each write has what a message changes, and a crash at any point loses nothing."""

import asyncio
import json
import os
import random
import shutil
from pathlib import Path

import pytest
from rae_trigger_mqtt import identity, identity_file
from rae_trigger_mqtt.identity import Identities
from rae_trigger_mqtt.identity_file import IdentityFile
from rae_trigger_mqtt.messages import MqttMessage

LINES, SNAPSHOT = "messages.log", "messages.json"


def read_back(directory: Path) -> dict:
    """Return what the next daemon knows, from a copy."""
    copy = directory.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy)
    return asyncio.run(IdentityFile(copy, "job").load()).to_document()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def make_message(source: random.Random) -> MqttMessage:
    return MqttMessage(
        f"home/{source.randrange(12)}",
        bytes([source.randrange(3)]),
        qos=source.randrange(2),
        number=source.randrange(1, 5),
        is_retained=source.random() < 0.3,
        is_repeated=source.random() < 0.3,
        subscription=7,
    )


@pytest.mark.parametrize("seed", range(5))
def test_next_daemon_knows_all_that_was_saved(directory: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through snapshots at any point; a crash before the lines are removed makes no difference."""
    monkeypatch.setattr(identity_file, "MIN_LINES", 5)
    monkeypatch.setattr(identity, "MAX_TOPICS", 10)
    source, kept, lines = random.Random(seed), b"", [b""]
    append = IdentityFile._append

    def note(file: IdentityFile, line: bytes) -> None:
        lines.append(line)
        append(file, line)

    monkeypatch.setattr(IdentityFile, "_append", note)

    async def play() -> None:
        nonlocal kept
        file = IdentityFile(directory, "job")
        identities, path = await file.load(), directory / LINES
        for _ in range(60):
            identities.identify(make_message(source))
            await file.save(identities)
            written = path.read_bytes() if path.exists() else b""
            assert await asyncio.to_thread(read_back, directory) == identities.to_document()
            if kept and not written:
                path.write_bytes(kept + lines[-1])
                assert await asyncio.to_thread(read_back, directory) == identities.to_document()
                path.unlink()
            kept = written

    asyncio.run(play())


def test_message_costs_its_line_whatever_else_is_known(directory: Path) -> None:
    async def play() -> list[int]:
        file, identities = IdentityFile(directory, "job"), Identities()
        for number in range(identity.MAX_TOPICS):
            identities.identify(MqttMessage(f"home/room/{number}/temperature", b"20.5", number=1 + number % 65_535))
        await file.save(identities)
        identities = await file.load()
        snapshot = directory / SNAPSHOT
        whole, written = snapshot.stat(), []
        for number in range(20):
            before = (directory / LINES).stat().st_size if (directory / LINES).exists() else 0
            identities.identify(MqttMessage(f"home/room/{number}/temperature", b"21.0", number=1 + number))
            await file.save(identities)
            written.append((directory / LINES).stat().st_size - before)
        assert snapshot.stat().st_ino == whole.st_ino
        assert whole.st_size > 500_000
        return written

    assert max(asyncio.run(play())) < 250


@pytest.mark.parametrize("rest", [b'[3, "ab', b"\0" * 50, b"[1]\n", b"{}\n", b'["x", 1, 2, null]\n'])
def test_damaged_end_costs_nothing_before_it(directory: Path, rest: bytes) -> None:
    async def play() -> dict:
        file = IdentityFile(directory, "job")
        identities = await file.load()
        identities.identify(MqttMessage("t", b"x", number=3))
        await file.save(identities)
        with (directory / LINES).open("ab") as lines:
            lines.write(rest)
        return identities.to_document()

    saved = asyncio.run(play())
    assert read_back(directory) == saved


def test_full_disk_leaves_no_part_of_a_line(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    async def play() -> dict:
        file = IdentityFile(directory, "job")
        identities = await file.load()
        for number in (1, 2):
            identities.identify(MqttMessage("t", b"x", number=number))
            with monkeypatch.context() as patch:
                patch.setattr(identity_file.os, "write", lambda descriptor, data: write(descriptor, data[:9]))
                with pytest.raises(OSError, match="No space left"):
                    await file.save(identities)
            assert (directory / LINES).read_bytes().count(b"\n") == number - 1
            await file.save(identities)
        return identities.to_document()

    assert asyncio.run(play()) == read_back(directory)
    assert [json.loads(line)[0] for line in (directory / LINES).read_bytes().splitlines()] == [1, 2]
