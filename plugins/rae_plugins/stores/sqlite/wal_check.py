"""Reads a write-ahead log of SQLite as bytes, before SQLite does, and distinguishes damage from a torn end.

Format (https://www.sqlite.org/fileformat2.html#walformat; all numbers are big-endian and have 32 bits):

| part         | bytes | content                                                                                     |
| ------------ | ----- | ------------------------------------------------------------------------------------------- |
| header       | 32    | magic (its last bit: checksums read big-endian words), version, page size, sequence, salt 1 |
|              |       | and 2, checksum 1 and 2 of the 24 bytes before                                              |
| frame header | 24    | page number, pages of the database if this ends a commit or else 0, salt 1 and 2 of the log, |
|              |       | checksum 1 and 2                                                                            |
| frame        | page  | the new content of the page                                                                 |

The checksum of a frame covers the first 8 bytes of its header and its page, and continues the checksum of the frame
before (of the header, for the first frame). So SQLite ends its reading at the first frame that doesn't fit, and drops
everything behind it without a word: that is right for a torn end, and wrong for a flipped bit in the middle.

Here every frame is judged twice: does it fit its predecessor as *computed* from all bytes before (the chain, as SQLite
sees it), and does it fit the checksum that is *stored* in its predecessor? A frame behind damage fails the first and
passes the second. Frames of an earlier generation of the log, which are left behind its end because a log is
overwritten from its beginning, have other salts.

One kind of stale frame has the same salts: frames of a transaction that was rolled back, behind the shorter one that
overwrote its beginning. They look like frames behind damage. The difference is the number of the commit in
them: every commit writes the page of its number (see `commit_line`), and numbers only grow. So a log is

- *whole* if nothing after its chain belongs to it,
- *torn* if frames after its chain belong to it, but no commit that is newer than the last one of the chain,
- *damaged* if there is such a commit, or if its header doesn't fit its own checksum.
"""

import struct
import sys
from collections.abc import Iterator
from enum import StrEnum, auto

from attrs import field, frozen

from rae_plugins.stores.commit_line import CommitLine, find_commit_line

HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
COMMIT_PAGE = 2
"""The page with the number of the last commit: the root of the first table that was created."""

_MAGIC = 0x377F0682
_MASK = 0xFFFF_FFFF
_PAGE_SIZES = tuple(1 << bits for bits in range(9, 17))


class WalState(StrEnum):
    """Kinds of logs."""

    EMPTY = auto()
    WHOLE = auto()
    TORN = auto()
    DAMAGED = auto()


@frozen
class Frame:
    """A frame of the log: a page, and how far it can be trusted."""

    page: int
    pages_after: int
    """The size of the database in pages if the frame ends a commit, or else 0."""
    offset: int
    """The place of the page in the file, in bytes."""
    is_chained: bool
    """Everything up to the end of the frame is as it was written."""
    is_sound: bool
    """The frame fits the checksum that is stored before it."""


@frozen
class WalReport:
    """A log as it was found."""

    state: WalState
    page_size: int = 0
    frames: tuple[Frame, ...] = ()
    """All frames that may belong to the log, in their order."""
    commits: tuple[CommitLine, ...] = ()
    """The commits of the chain, as far as the pages of their numbers are in the log, in their order."""
    later_commits: tuple[CommitLine, ...] = ()
    """Newer commits behind the chain."""
    problem: str = field(default="")

    @property
    def chained(self) -> tuple[Frame, ...]:
        """The frames that SQLite would read."""
        chain = [frame for frame in self.frames if frame.is_chained]
        while chain and not chain[-1].pages_after:
            chain.pop()
        return tuple(chain)


def add_to_checksum(data: bytes, checksum: tuple[int, int], *, big_endian: bool) -> tuple[int, int]:
    """Return SQLite's checksum of some bytes, a multiple of 8, that continues another one."""
    first, second = checksum
    for even, odd in struct.iter_unpack(">II" if big_endian else "<II", data):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second


def read_wal(content: bytes, page_size: int) -> WalReport:
    """Judge a log. `page_size` is that of the database, for a log whose header is damaged."""
    if len(content) < HEADER_BYTES + FRAME_HEADER_BYTES:
        # Less than a frame: nothing in it was ever committed.
        return WalReport(WalState.EMPTY)
    magic, version, size, _, *salts_and_checksum = struct.unpack_from(">8I", content)
    big_endian = magic == _MAGIC + 1
    computed = add_to_checksum(content[:24], (0, 0), big_endian=big_endian)
    is_header_good = (
        magic in (_MAGIC, _MAGIC + 1)
        and version == 3007000
        and size in _PAGE_SIZES
        and computed == tuple(salts_and_checksum[2:])
    )
    if is_header_good:
        salts = struct.pack(">2I", *salts_and_checksum[:2])
        frames = tuple(_read_frames(content, size, salts, computed, big_endian=big_endian))
        return _judge(content, size, frames)
    # The salts of the first frame show which frames belong to the log.
    salts = content[HEADER_BYTES + 8 : HEADER_BYTES + 16]
    frames = tuple(_read_frames(content, page_size, salts, None, big_endian=sys.byteorder == "big"))
    later = tuple(_commits_in(content, page_size, frames))
    if not any(content):
        return WalReport(WalState.EMPTY)
    return WalReport(WalState.DAMAGED, page_size, frames, (), later, "its header is damaged")


def _judge(content: bytes, page_size: int, frames: tuple[Frame, ...]) -> WalReport:
    report = WalReport(WalState.WHOLE, page_size, frames)
    chain = report.chained
    commits = tuple(_commits_in(content, page_size, chain))
    rest = frames[len(chain) :]
    newest = commits[-1].number if commits else -1
    later = tuple(commit for commit in _commits_in(content, page_size, rest) if commit.number > newest)
    if not rest:
        return WalReport(WalState.WHOLE, page_size, frames, commits)
    if not later or not any(frame.is_sound and frame.pages_after for frame in rest):
        return WalReport(WalState.TORN, page_size, frames, commits)
    bad = next((number for number, frame in enumerate(frames) if not frame.is_chained), len(chain))
    problem = f"frame {bad + 1} of {len(frames)} is damaged"
    return WalReport(WalState.DAMAGED, page_size, frames, commits, later, problem)


def _read_frames(
    content: bytes, page_size: int, salts: bytes, checksum: tuple[int, int] | None, *, big_endian: bool
) -> Iterator[Frame]:
    """Yield the frames up to the last one that has the salts of the log."""
    step = FRAME_HEADER_BYTES + page_size
    starts = range(HEADER_BYTES, len(content) - step + 1, step)
    count = max((n for n, start in enumerate(starts, 1) if content[start + 8 : start + 16] == salts), default=0)
    is_chained, stored = checksum is not None, checksum
    for start in starts[:count]:
        page, pages_after = struct.unpack_from(">2I", content, start)
        data = content[start : start + 8] + content[start + FRAME_HEADER_BYTES : start + step]
        written = struct.unpack_from(">2I", content, start + 16)
        has_salts = content[start + 8 : start + 16] == salts
        # While the chain holds, the stored checksum of the frame before is the computed one.
        is_sound = has_salts and stored is not None and add_to_checksum(data, stored, big_endian=big_endian) == written
        is_chained = is_chained and is_sound
        yield Frame(page, pages_after, start + FRAME_HEADER_BYTES, is_chained, is_sound)
        stored = (written[0], written[1])


def _commits_in(content: bytes, page_size: int, frames: tuple[Frame, ...]) -> Iterator[CommitLine]:
    for frame in frames:
        if frame.page == COMMIT_PAGE:
            line = find_commit_line(content[frame.offset : frame.offset + page_size])
            if line is not None:
                yield line
