"""What the files of a state directory say: the newest good snapshot, and every commit after it.

A commit is lost only where its line is damaged; each loss is told. Nothing is written here.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.errors import StoreDamaged
from rae_plugins.stores.json.changes import Contents, pack
from rae_plugins.stores.json.sealed import FORMAT, check_format, read_file, read_lines, seal

JOURNAL = "journal.jsonl"


@define
class Recovered:
    """The contents, and what is wrong with the files that they were read from."""

    contents: Contents
    seq: int
    history: list[str] = field(factory=list)
    journal_size: int = 0
    """Bytes of the journal up to the end of its last good line."""
    damaged: list[Path] = field(factory=list)
    problems: list[str] = field(factory=list)


def numbered(directory: Path, prefix: str, suffix: str) -> list[tuple[int, Path]]:
    """The files `<prefix>-<number><suffix>` in the order of their numbers."""
    found = []
    for path in directory.glob(f"{prefix}-*{suffix}"):
        digits = path.name[len(prefix) + 1 : -len(suffix)]
        if digits.isascii() and digits.isdigit() and len(digits) <= 18:
            found.append((int(digits), path))
    return sorted(found)


def snapshot_bytes(seq: int, documents: dict[str, dict[str, str]], history: Iterable[str]) -> bytes:
    """The text of a snapshot, for people to read."""
    readable = {kind: {key: json.loads(text) for key, text in sorted(keys.items())} for kind, keys in documents.items()}
    return seal({"format": FORMAT, "seq": seq, "history": list(history), "documents": readable}, indent=1)


def recover(directory: Path) -> Recovered:
    """Read what is there. StoreDamaged where no generation is good, or a newer rae-auto wrote it."""
    journal = directory / JOURNAL
    state = _newest_snapshot(directory)
    parts = numbered(directory, "journal", ".jsonl")
    base = state.seq
    for path in [path for seq, path in parts if seq > base]:
        _replay(path, state, is_current=False)
    if journal.exists():
        _replay(journal, state, is_current=True)
    elif state.seq or state.history or parts:
        state.problems.append(f"{journal} is gone; what was committed after number {state.seq} is lost")
    return state


def _newest_snapshot(directory: Path) -> Recovered:
    snapshots = numbered(directory, "snapshot", ".json")
    state = Recovered(Contents(), 0)
    for seq, path in reversed(snapshots):
        document = read_file(path)
        if document is None:
            state.damaged.append(path)
            state.problems.append(f"{path} isn't what was written; an older snapshot and the journals serve instead")
            continue
        state.seq, state.history = seq, document["history"]
        state.contents.documents = {
            kind: {key: pack(body) for key, body in keys.items()} for kind, keys in document["documents"].items()
        }
        return state
    _require_beginning(directory, has_snapshots=bool(snapshots))
    return state


def _require_beginning(directory: Path, *, has_snapshots: bool) -> None:
    """Without a snapshot only journals that begin with the first commit hold everything."""
    paths = [path for _, path in numbered(directory, "journal", ".jsonl")]
    journal = directory / JOURNAL
    if journal.exists():
        paths.append(journal)
    if not paths and not has_snapshots and not numbered(directory, "history", ".jsonl"):
        return
    first = next(read_lines(paths[0]), (0, None))[1] if paths else None
    if paths:
        check_format(paths[0], first)
    if first is None or first["seq"] > 0:
        raise StoreDamaged(f"{directory}: no good snapshot is left, and the journal is no substitute; restore a backup")


def _replay(path: Path, state: Recovered, *, is_current: bool) -> None:
    """Apply the commits of a journal which the state doesn't hold yet."""
    end, bad = 0, 0
    for number, (line_end, line) in enumerate(read_lines(path), 1):
        if number == 1:
            check_format(path, line)
        if line is None:
            bad = bad or number
            continue
        _apply(path, state, line)
        end = line_end
    is_torn = is_current and (end == 0 or end < path.stat().st_size)
    if is_torn:
        state.problems.append(f"{path}: the end was torn off after commit {state.seq}, and is cut off")
    elif bad:
        state.problems.append(f"{path}: line {bad} is damaged")
    if is_current:
        state.journal_size = end
        if bad or is_torn:
            state.damaged.append(path)


def _apply(path: Path, state: Recovered, line: dict[str, Any]) -> None:
    seq, changes = line["seq"], line["changes"]
    expected = state.seq + 1 if changes else state.seq
    if seq > expected:
        state.problems.append(f"{path}: commits {state.seq + 1} to {seq - 1 if changes else seq} are lost")
    if seq > state.seq:
        state.contents.apply(changes)
        state.seq = seq
