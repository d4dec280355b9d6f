"""The survey of the files of the SQLite store, before SQLite sees them, and their repair.

A file without the proof of a clean stop is surveyed as bytes: the constants of its header, its log (see `wal_check`),
and the number of the last commit in the file (F), in the log (L, the newest one that SQLite would read) and in the mark
beside both (M, see `commit_line`). Undamaged files of one store satisfy

1. L.first.previous <= F <= L.newest: the log continues this file (a checkpoint, perhaps a part of one, moves F);
2. M <= max(F, L.newest): no acknowledged commit is missing.

If one fails, or if the full check (see `verification`) does, the file is repaired from *candidates*:

- the file with the whole log, the damaged frames included: what is wrong in them shows in the check of the candidate;
- the file with the log up to the damage, which is what SQLite would read;
- the file without the log, which is complete if the log had been moved into it;
- every backup copy.

A candidate is built as a file of its own, its header is corrected, and it is checked as a whole. Of those that pass,
the one with the newest commit wins; its rows with wrong checksums are set aside afterwards, one by one. If none passes,
the rows are read out of the newest candidate into a new file (see `salvage`). Nothing is changed until the winner lies
on the disk as `state.sqlite.repaired`. Then the damaged files are renamed, and the winner last; a start that finds a
`state.sqlite.repaired` finishes this move. So a kill at any moment loses nothing.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, field, frozen

from rae_auto.errors import StoreDamaged
from rae_auto.toolkit.files import open_private, sync_directory
from rae_plugins.stores.backup_copies import list_copies
from rae_plugins.stores.commit_line import CommitLine, find_commit_line, read_mark
from rae_plugins.stores.sqlite.salvage import salvage
from rae_plugins.stores.sqlite.schema import (
    APPLICATION_ID,
    FORMAT_VERSION,
    PAGE_BYTES,
    SET_LAST_COMMIT,
    fix_header,
    is_header_good,
    read_versions,
)
from rae_plugins.stores.sqlite.verification import Verification, verify_file
from rae_plugins.stores.sqlite.wal_check import COMMIT_PAGE, Frame, WalReport, WalState, read_wal

MAX_PLAUSIBLE_VERSION = 255
"""A larger version of the format is a damaged one."""

TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"


@frozen
class Survey:
    """The files of a store as they were found."""

    size: int
    """Bytes of the database; 0 if it is missing."""
    header: bytes
    commit: CommitLine | None
    """The last commit in the database, without its log."""
    wal: WalReport
    wal_content: bytes = field(repr=False)
    mark: CommitLine | None
    copies: tuple[Path, ...]

    @property
    def is_new(self) -> bool:
        """True if nothing says that a store ever existed."""
        return not (self.size or self.mark or self.copies or self.wal.frames)

    @property
    def newest(self) -> CommitLine | None:
        """The last commit that SQLite would read."""
        return self.wal.commits[-1] if self.wal.commits else self.commit

    def find_problem(self) -> str | None:
        """Return why SQLite must not open these files, or None."""
        if not self.size:
            return "is missing or empty, though it existed"
        if not is_header_good(self.header):
            return "has a damaged header"
        newest, is_acknowledged_read = self.newest, False
        if self.mark is not None and newest is not None:
            is_acknowledged_read = newest.number >= self.mark.number
        if self.wal.frames and self.wal.page_size != PAGE_BYTES:
            return "has the log of another file"
        if self.wal.state is WalState.DAMAGED and not is_acknowledged_read:
            return f"has a damaged log ({self.wal.problem})"
        if self.commit is None or newest is None:
            return "has lost the number of its last commit"
        if self.wal.commits and not self.wal.commits[0].previous <= self.commit.number <= newest.number:
            return "has a log that doesn't continue it"
        if {newest.store, self.commit.store} != {newest.store if self.mark is None else self.mark.store}:
            return "belongs to another store"
        if self.mark is not None and newest.number < self.mark.number:
            return "lacks its last commits"
        return None


def survey(path: Path, mark: Path) -> Survey:
    """Read the files of a store as bytes. Errors: OSError."""
    header, page, size = b"", b"", 0
    with suppress(FileNotFoundError), path.open("rb") as file:
        header, size = file.read(100), path.stat().st_size
        file.seek((COMMIT_PAGE - 1) * PAGE_BYTES)
        page = file.read(PAGE_BYTES)
    wal_content = b""
    with suppress(FileNotFoundError):
        wal_content = path.with_name(f"{path.name}-wal").read_bytes()
    wal = read_wal(wal_content, PAGE_BYTES)
    return Survey(size, header, find_commit_line(page), wal, wal_content, read_mark(mark), tuple(list_copies(path)))


@frozen
class RepairCandidate:
    """A replacement of the files: a database, frames to write over it, and the last commit that it should have."""

    name: str
    source: Path
    frames: tuple[Frame, ...] = ()
    expected: CommitLine | None = None
    checked: Verification = field(factory=lambda: Verification("not checked"))
    is_partial: bool = False
    """Rows may be missing, and some may be older than the last commit."""
    complete_until: datetime | None = None
    """The time until which a partial one is complete."""

    @property
    def number(self) -> int:
        """The number of the last commit, as far as it is known, or -1."""
        return -1 if self.expected is None else self.expected.number

    def is_of(self, store: str | None) -> bool:
        """Return whether the candidate belongs to a store, as far as that is known."""
        return store is None or self.expected is None or self.expected.store == store


@frozen
class Repair:
    """A repair that was made: the commit that the store goes on from, and where the damaged files are."""

    candidate: RepairCandidate
    aside: Path | None


def list_candidates(path: Path, found: Survey) -> list[RepairCandidate]:
    """Return the candidates, those with the newest commit first."""
    candidates = []
    base = found.commit or found.mark
    if found.size:
        whole, last = _whole_log(found)
        if whole != found.wal.chained:
            candidates.append(RepairCandidate("its whole log", path, whole, last or base))
        candidates.append(RepairCandidate("its log", path, found.wal.chained, found.newest or base))
        if found.wal.chained:
            candidates.append(RepairCandidate("the file without its log", path, (), base))
    candidates += [
        RepairCandidate(f"the copy {copy}", copy, (), _last_commit_in(copy)) for copy in reversed(found.copies)
    ]
    store = None if found.mark is None else found.mark.store
    # Sorting is stable: of equal ones, copies come last.
    return sorted(candidates, key=lambda candidate: (candidate.is_of(store), candidate.number), reverse=True)


def has_copy_of_newest(found: Survey) -> bool:
    """Return whether a copy is as new as what SQLite would read."""
    return any(_last_commit_in(copy) == found.newest for copy in found.copies)


def _last_commit_in(path: Path) -> CommitLine | None:
    try:
        with path.open("rb") as file:
            file.seek((COMMIT_PAGE - 1) * PAGE_BYTES)
            return find_commit_line(file.read(PAGE_BYTES))
    except OSError:
        return None


def _whole_log(found: Survey) -> tuple[tuple[Frame, ...], CommitLine | None]:
    """Return all frames up to the last commit, damaged ones included, and that commit."""
    kept: list[Frame] = []
    pending: list[Frame] = []
    line = None
    last = found.commit
    for frame in found.wal.frames:
        pending.append(frame)
        if frame.page == COMMIT_PAGE:
            line = find_commit_line(found.wal_content[frame.offset : frame.offset + PAGE_BYTES])
        if not frame.pages_after or not (frame.is_sound or _is_plausible(found, frame)):
            continue
        if line is not None and last is not None and kept and line.number <= last.number:
            # Remains of a transaction that was rolled back.
            break
        if line is None and last is not None:
            line = evolve(last, number=last.number + 1, previous=last.number)
        kept, pending, last, line = [*kept, *pending], [], line, None
    return tuple(frame for frame in kept if _is_plausible(found, frame)), last


def _is_plausible(found: Survey, frame: Frame) -> bool:
    max_page = found.size // PAGE_BYTES + len(found.wal.frames)
    return 0 < frame.page <= max_page and frame.pages_after <= max_page


def build(candidate: RepairCandidate, target: Path, wal_content: bytes) -> RepairCandidate:
    """Write a candidate to a file of its own, and check it. Errors: OSError."""
    os.close(open_private(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC))
    shutil.copyfile(candidate.source, target)
    with target.open("r+b") as file:
        for frame in candidate.frames:
            file.seek((frame.page - 1) * PAGE_BYTES)
            file.write(wal_content[frame.offset : frame.offset + PAGE_BYTES])
        if candidate.frames and (pages := candidate.frames[-1].pages_after):
            file.truncate(pages * PAGE_BYTES)
        file.seek(0)
        header = file.read(100)
        if len(header) < 100:
            return evolve(candidate, checked=Verification("it is too short"))
        file.seek(0)
        file.write(fix_header(header))
    checked = verify_file(target)
    if checked.problem is None and checked.commit is None and candidate.expected is not None:
        set_last_commit(target, candidate.expected)
        checked = verify_file(target)
    return evolve(candidate, checked=checked, expected=checked.commit or candidate.expected)


def set_last_commit(path: Path, line: CommitLine) -> None:
    """Write the line of the last commit into a file that is not in use."""
    with _rollback_mode(path), closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute(SET_LAST_COMMIT, (line.encode(),))


class _rollback_mode:  # noqa: N801 - used like a function
    """Keeps SQLite from making a write-ahead log beside a file, for the time of a `with` block."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._write(b"\1\1")

    def __exit__(self, *_: object) -> None:
        self._write(b"\2\2")

    def _write(self, versions: bytes) -> None:
        with self._path.open("r+b") as file:
            file.seek(18)
            file.write(versions)


def check_owner(path: Path, found: Survey) -> None:
    """Raise StoreDamaged for a database of another program or of a newer rae-auto."""
    if len(found.header) < 100 or not found.header.startswith(b"SQLite format 3\0"):
        return
    application, version = read_versions(found.header)
    if application not in (0, APPLICATION_ID):
        raise StoreDamaged(f"{path} belongs to another program; move it away")
    if FORMAT_VERSION < version <= MAX_PLAUSIBLE_VERSION:
        raise StoreDamaged(
            f"{path} was written by a newer rae-auto (format {version}); install that version or a later one"
        )


def repair(path: Path, found: Survey) -> Repair | None:
    """Replace the files by the best candidate; None if there is none.

    Errors: StoreDamaged if a newer rae-auto wrote them; OSError and sqlite3.Error of the disk.
    """
    target = path.with_name(f".{path.name}.candidate")
    try:
        best = _find_best(path, found, target)
        salvaged = _salvage(path, found, best)
        if salvaged is not None:
            return Repair(salvaged, _install(path, _salvage_path(path)))
        if best is None:
            return None
        if best.source != path and len(found.header) == 100 and read_versions(found.header)[0] == APPLICATION_ID:
            # A flipped bit in the version was corrected, but these tables are of a newer format.
            check_owner(path, found)
        # Once more, because another one may have been built after it.
        return Repair(build(best, target, found.wal_content), _install(path, target))
    finally:
        for temporary in (target, _salvage_path(path)):
            _remove_with_companions(temporary)


def _salvage(path: Path, found: Survey, best: RepairCandidate | None) -> RepairCandidate | None:
    """Read rows out of the damaged files, if they are newer than the best state that passes its check."""
    newest = next((candidate for candidate in list_candidates(path, found) if candidate.source == path), None)
    if newest is None or newest.expected is None or (best is not None and newest.number <= best.number):
        return None
    if found.mark is not None and newest.expected.store != found.mark.store:
        return None
    damaged, older, target = (path.with_name(f".{path.name}.{word}") for word in ("damaged", "older", "salvaged"))
    try:
        build(newest, damaged, found.wal_content)
        if best is not None:
            build(best, older, found.wal_content)
        report = salvage(damaged, None if best is None else older, target, newest.expected)
    finally:
        _remove_with_companions(damaged)
        _remove_with_companions(older)
    checked = verify_file(target)
    if not report.rows or not checked.is_perfect:
        return None
    until = None if best is None or best.expected is None else best.expected.at
    name = "what can be read of it" if best is None else f"what can be read of it, over {best.name},"
    return evolve(newest, name=name, checked=checked, is_partial=not report.is_complete, complete_until=until)


def _salvage_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.salvaged")


def _find_best(path: Path, found: Survey, target: Path) -> RepairCandidate | None:
    """Return the candidate with the newest commit, and of several such the first without damaged rows."""
    best = None
    for candidate in list_candidates(path, found):
        if best is not None and candidate.number < best.number:
            break
        built = build(candidate, target, found.wal_content)
        if built.checked.is_perfect:
            return built
        if best is None and built.checked.problem is None and built.expected is not None and built.source == path:
            best = built
    return best


def _install(path: Path, target: Path) -> Path | None:
    with target.open("rb+") as file:
        os.fsync(file.fileno())
    target.rename(repaired_path(path))
    sync_directory(path.parent)
    return finish_move(path)


def repaired_path(path: Path) -> Path:
    """Return the name of a repaired file that is yet to take its place."""
    return path.with_name(f"{path.name}.repaired")


def finish_move(path: Path) -> Path | None:
    """Rename the damaged files, and let the repaired one take their place; return where the damaged one is now."""
    aside = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):{TIME_FORMAT}}")
    moved = None
    for ending in ("-wal", ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
            moved = aside.with_name(aside.name + ending)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    repaired_path(path).rename(path)
    sync_directory(path.parent)
    return moved


def _remove_with_companions(path: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
