"""Reads the state from the files: the newest good snapshot, and every commit after it.

The order and the kinds of damage are in the package's docstring. Nothing is written here.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.errors import StoreDamaged
from rae_plugins.stores.checksum import pack_json
from rae_plugins.stores.json.checksummed_lines import FORMAT_VERSION, add_checksum, check_format, read_file, read_lines
from rae_plugins.stores.json.contents import StoreContents

JOURNAL = "journal.jsonl"


@define
class RecoveredState:
    """The contents that were read, and the problems of the files."""

    contents: StoreContents
    seq: int
    history: list[str] = field(factory=list)
    base: int = 0
    """The number of the last commit in the snapshot."""
    at: str = ""
    """The time of the last commit that is left."""
    lost: int = 0
    """The number of commits that are missing between others."""
    lost_since: str = ""
    """The time of the last commit before the first of these."""
    journal_size: int = 0
    """The number of bytes up to the end of the last good line of the journal."""
    damaged: list[Path] = field(factory=list)
    problems: list[str] = field(factory=list)


def list_numbered_files(directory: Path, prefix: str, suffix: str) -> list[tuple[int, Path]]:
    """Return the files `<prefix>-<number><suffix>` in the order of their numbers."""
    found = []
    for path in directory.glob(f"{prefix}-*{suffix}"):
        digits = path.name[len(prefix) + 1 : -len(suffix)]
        if digits.isascii() and digits.isdigit() and len(digits) <= 18:
            found.append((int(digits), path))
    return sorted(found)


def encode_snapshot(seq: int, at: str, documents: dict[str, dict[str, str]], history: Iterable[str]) -> bytes:
    """Return the text of a snapshot of what was there after commit `seq`, at that time, indented for people."""
    readable = {kind: {key: json.loads(text) for key, text in sorted(keys.items())} for kind, keys in documents.items()}
    return add_checksum(
        {"format": FORMAT_VERSION, "seq": seq, "at": at, "history": list(history), "documents": readable}, indent=1
    )


def recover(directory: Path, last_commit: int) -> RecoveredState:
    """Read the state. `last_commit` is the number of the last commit that was acknowledged.

    Errors: StoreDamaged if no snapshot is good, or a newer rae-auto wrote the files.
    """
    journal = directory / JOURNAL
    state = _newest_snapshot(directory, last_commit)
    parts = list_numbered_files(directory, "journal", ".jsonl")
    state.base = base = state.seq
    for path in [path for seq, path in parts if seq > base]:
        _replay_journal(path, state, is_current=False)
    if journal.exists():
        _replay_journal(journal, state, is_current=True)
    elif state.seq or state.history or parts or last_commit:
        state.problems.append(f"{journal} is missing; the commits after number {state.seq} are lost")
    return state


def _newest_snapshot(directory: Path, last_commit: int) -> RecoveredState:
    snapshots = list_numbered_files(directory, "snapshot", ".json")
    state = RecoveredState(StoreContents(), 0)
    for seq, path in reversed(snapshots):
        document = read_file(path)
        if document is None or document.get("seq") != seq or "documents" not in document:
            state.damaged.append(path)
            state.problems.append(f"{path} is damaged; an older snapshot and the journals replace it")
            continue
        state.seq, state.history, state.at = seq, document["history"], document.get("at", "")
        state.contents.documents = {
            kind: {key: pack_json(body) for key, body in keys.items()} for kind, keys in document["documents"].items()
        }
        return state
    _require_complete_journals(directory, existed=last_commit > 0, has_snapshots=bool(snapshots))
    return state


def _require_complete_journals(directory: Path, *, existed: bool, has_snapshots: bool) -> None:
    """Check that the journals begin with the first commit, because there is no snapshot. Errors: StoreDamaged."""
    paths = [path for _, path in list_numbered_files(directory, "journal", ".jsonl")]
    is_first_generation = not paths and not has_snapshots and not list_numbered_files(directory, "history", ".jsonl")
    if (journal := directory / JOURNAL).exists():
        paths.append(journal)
    if is_first_generation and not paths and not existed:
        return
    if paths and _begins_with_first_commit(paths[0], is_first_generation=is_first_generation):
        return
    raise StoreDamaged(
        f"{directory}: no snapshot is good, and the journals do not begin with the first commit; restore a backup, or "
        f"move the files away to start with an empty store"
    )


def _begins_with_first_commit(path: Path, *, is_first_generation: bool) -> bool:
    """Return whether the first good line of a journal is its header or, if only that is damaged, a commit."""
    for number, (_, line) in enumerate(read_lines(path)):
        if not number:
            check_format(path, line)
        if line is not None and "changes" in line:
            return line["seq"] == 0 or (is_first_generation and bool(line["changes"]))
    return False


def _replay_journal(path: Path, state: RecoveredState, *, is_current: bool) -> None:
    """Apply the commits of a journal that are not in the state yet."""
    end, bad = 0, 0
    for number, (line_end, line) in enumerate(read_lines(path), 1):
        if number == 1:
            check_format(path, line)
        if line is None or "changes" not in line:
            bad = bad or number
            continue
        _apply(path, state, line)
        end = line_end
    is_torn = is_current and (end == 0 or end < path.stat().st_size)
    if is_torn:
        state.problems.append(f"{path}: the line after commit {state.seq} is incomplete and was cut off")
    elif bad:
        state.problems.append(f"{path}: line {bad} is damaged")
    if is_current:
        state.journal_size = end
        if bad or is_torn:
            state.damaged.append(path)


def _apply(path: Path, state: RecoveredState, line: dict[str, Any]) -> None:
    seq, changes = line["seq"], line["changes"]
    expected = state.seq + 1 if changes else state.seq
    if seq > expected:
        last = seq - 1 if changes else seq
        state.problems.append(f"{path}: commits {state.seq + 1} to {last} are lost")
        state.lost_since = state.lost_since or state.at
        state.lost += last - state.seq
    if seq > state.seq:
        state.contents.apply(changes)
        state.seq, state.at = seq, line.get("at", state.at)
