"""The damage campaign: each file of a store, damaged in each way, and then opened.

    python -m tests.faults.damage [--cases N] [--seed N] [--later]

A case is an image of a store (of either kind, stopped cleanly or killed) and one damage of one of its files: cut off at
a boundary, bits flipped, blocks zeroed or filled with garbage, deleted, swapped with another file, or replaced by an
older version of itself. The oracle, for every case:

1. Every acknowledged change is there as it was written, or its loss is said.
2. Nothing is there that was never written, and nothing older without a word.
3. The damaged bytes are kept: in the place where they were, or in a `*.corrupt-*` file.
4. The store works on: it takes a commit, and the next start has nothing to say and finds that commit.
5. A store that refuses to open says so in one line and has changed nothing. It refuses only if more is damaged than
   one file, or there is no copy.

With `--later`, a start leaves the history unchecked as that of a large store does, and the rules hold once the check
has ended that follows it. What it repairs was in use meanwhile: the file that is kept then has the pages of its log.
"""

import argparse
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import field, frozen

from rae_auto.api.store import Append, CorruptDocument, Delete, LogQuery, Put, Store
from rae_auto.errors import StoreDamaged
from rae_auto.records.entries import check_rest
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.json import store as json_store
from rae_plugins.stores.sqlite import SqliteStore, opening

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
STORES: dict[str, type[Store]] = {"sqlite": SqliteStore, "json": JsonStore}
KINDS = ("run", "state")
PAGE = 4096
PROGRESS_CASES = 250


@frozen
class Image:
    """The files of a store, an older version of them, and everything that was acknowledged."""

    name: str
    kind: str
    files: dict[str, bytes] = field(repr=False)
    older: dict[str, bytes] = field(repr=False)
    documents: dict[str, Any] = field(repr=False)
    entries: dict[str, Any] = field(repr=False)


@frozen
class Case:
    """One damage of an image: the files as they are then (None: deleted)."""

    image: Image
    name: str
    changed: dict[str, bytes | None] = field(repr=False)


@frozen
class Outcome:
    """The result of a case: a word for the statistics, and the broken rules."""

    word: str
    violations: tuple[str, ...] = ()


class Writer:
    """Writes to a store what a scheduler would, and remembers what was acknowledged."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.entries: dict[str, Any] = {}
        self._number = 0

    def write(self, store: Store, commits: int) -> None:
        for _ in range(commits):
            self._number += 1
            run, job = f"run-{self._number:04}", f"job-{self._number % 3}"
            body = {"id": run, "job": job, "text": "x" * (self._number * 37 % 900)}
            at = NOON + timedelta(minutes=self._number)
            done = f"run-{self._number - 1:04}"
            store.commit(
                [
                    Put("run", run, body),
                    Put("state", job, {"last": self._number}),
                    Delete("run", done),
                    Append("runs", done, job, "succeeded", at, {**body, "id": done}),
                ]
            )
            self.documents.pop(f"run/{done}", None)
            self.documents |= {f"run/{run}": body, f"state/{job}": {"last": self._number}}
            self.entries[done] = {**body, "id": done}


def read_files(directory: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in sorted(directory.iterdir())
        if path.is_file() and path.name != "lock" and not path.name.endswith("-shm")
    }


def make_images(place: Path) -> Iterator[Image]:
    """Yield a killed and a clean image of each kind of store, large and small."""
    for kind, (first, second) in (("sqlite", (12, 9)), ("sqlite", (300, 60)), ("json", (12, 9)), ("json", (60, 30))):
        directory = Path(tempfile.mkdtemp(dir=place))
        writer, store = Writer(), STORES[kind]()
        should_compact = json_store.should_compact
        if first == 60:
            json_store.should_compact = lambda journal, snapshot: journal > 6000
        try:
            store.open(directory)
            writer.write(store, first)
            store.close()
            older = read_files(directory)
            store.open(directory)
            writer.write(store, second)
            documents, entries = dict(writer.documents), dict(writer.entries)
            yield Image(f"{kind}-{first}-killed", kind, read_files(directory), older, documents, entries)
            store.close()
            yield Image(f"{kind}-{first}-clean", kind, read_files(directory), older, documents, entries)
        finally:
            json_store.should_compact = should_compact
        shutil.rmtree(directory)


def cases_of(image: Image, random_: random.Random) -> Iterator[Case]:
    """Yield every kind of damage of every file of an image."""
    for name, content in image.files.items():
        for length in sorted(_boundaries(content, random_)):
            yield Case(image, f"{name} cut to {length}", {name: content[:length]})
        for _ in range(60 if content else 0):
            place, bit = random_.randrange(len(content)), 1 << random_.randrange(8)
            damaged = bytearray(content)
            damaged[place] ^= bit
            yield Case(image, f"{name} bit {bit} of {place} flipped", {name: bytes(damaged)})
        for block in _blocks(content, random_):
            for word, filler in (("zeroed", bytes(len(block))), ("garbage", random_.randbytes(len(block)))):
                damaged = bytearray(content)
                damaged[block.start : block.stop] = filler
                yield Case(image, f"{name} {word} {block.start}-{block.stop}", {name: bytes(damaged)})
        yield Case(image, f"{name} deleted", {name: None})
        if name in image.older and image.older[name] != content:
            yield Case(image, f"{name} of before", {name: image.older[name]})
        for other in image.files:
            if other < name:
                yield Case(image, f"{name} swapped with {other}", {name: image.files[other], other: content})
    # With the mark, it would be a directory that was put back as a whole, which nothing in it can tell.
    marks = {name: content for name, content in image.files.items() if name.endswith(".commits")}
    yield Case(image, "all files of before", {**dict.fromkeys(image.files), **image.older, **marks})


def _boundaries(content: bytes, random_: random.Random) -> set[int]:
    """Lengths that something may be cut to: nothing, one byte, headers, pages, frames, lines, the last byte."""
    size = len(content)
    fixed = {0, 1, 24, 32, 100, 512, size // 2, size - 1}
    pages = set(range(PAGE, size, PAGE))
    frames = set(range(32, size, PAGE + 24))
    lines = {place + 1 for place, byte in enumerate(content) if byte == 10}
    sampled = [random_.sample(sorted(places), min(12, len(places))) for places in (pages, frames, lines)]
    return {length for length in fixed.union(*sampled) if 0 <= length < size}


def _blocks(content: bytes, random_: random.Random) -> Iterator[range]:
    size = len(content)
    for length in (16, 512, PAGE):
        starts = range(0, size, length)
        for start in random_.sample(starts, min(10, len(starts))):
            yield range(start, min(start + length, size))


def try_case(case: Case, place: Path) -> Outcome:
    """Open the damaged store, and hold what it does against the oracle."""
    directory = Path(tempfile.mkdtemp(dir=place))
    try:
        files = {**case.image.files, **case.changed}
        for name, content in files.items():
            if content is not None:
                (directory / name).write_bytes(content)
        return _judge(case, directory)
    finally:
        shutil.rmtree(directory)


def _judge(case: Case, directory: Path) -> Outcome:
    before = read_files(directory)
    store = STORES[case.image.kind]()
    try:
        messages = list(store.open(directory))
    except StoreDamaged as error:
        bad = [] if read_files(directory) == before else ["refused, but something was changed"]
        if "\n" in str(error):
            bad.append("refused in more than one line")
        if len(case.changed) == 1:
            bad.append(f"refused: {error}")
        return Outcome("refused", tuple(bad))
    messages += (later := check_rest(store))
    bad, is_complete = _compare(case.image, store, messages)
    # Like the daemon, which keeps damaged documents in a file of its own.
    corrupt = [(kind, key) for kind in KINDS for key, body in store.load(kind) if isinstance(body, CorruptDocument)]
    store.commit([Put("other", "x", {"n": 1}), *(Delete(kind, key) for kind, key in corrupt)])
    bad += _lost_bytes(case, read_files(directory), messages, in_use="state.sqlite" if later else "")
    store.close()
    again = list(store.open(directory))
    if again:
        bad.append(f"the second start says {again}")
    if list(store.load("other")) != [("x", {"n": 1})]:
        bad.append("a commit after the repair is lost")
    store.close()
    return Outcome(("whole" if is_complete else "lossy") + (", said" if messages else ""), tuple(bad))


def _compare(image: Image, store: Store, messages: list[str]) -> tuple[list[str], bool]:
    documents = {f"{kind}/{key}": body for kind in KINDS for key, body in store.load(kind)}
    is_said = bool(messages) or any(isinstance(body, CorruptDocument) for body in documents.values())
    good = {key: body for key, body in documents.items() if not isinstance(body, CorruptDocument)}
    entries = {body["id"]: body for body in store.query("runs", LogQuery(limit=10_000))}
    bad = []
    is_complete = good == image.documents and entries == image.entries
    if not is_complete and not is_said:
        bad.append("a loss isn't said")
    bad += [f"entry {key} was never written" for key, body in entries.items() if image.entries.get(key, body) != body]
    dumped = list(store.dump())
    if sum(isinstance(change, Append) for change in dumped) != len(entries):
        bad.append("dump and query differ")
    return bad, is_complete


def _lost_bytes(case: Case, after: dict[str, bytes], messages: list[str], in_use: str) -> list[str]:
    """Return the damaged files whose bytes are nowhere any more, though something was said about damage."""
    if not messages:
        return []
    # A proof and a mark are no content. Files of older generations are read only where newer ones are damaged.
    unread = (".clean", ".commits")
    return [
        f"the bytes of the damaged {name} are gone"
        for name, content in case.changed.items()
        if content and content not in after.values() and not name.endswith(unread) and not _is_older_generation(name)
        if name != in_use or not any("corrupt" in kept for kept in after)
    ]


def _is_older_generation(name: str) -> bool:
    return re.match(r"(journal|snapshot)-\d", name) is not None


def run(cases: list[Case], place: Path, report: Callable[[str], None]) -> Counter[str]:
    """Try cases, report each violation, and return the counts."""
    counts: Counter[str] = Counter()
    for number, case in enumerate(cases):
        if number and number % PROGRESS_CASES == 0:
            report(f"{number} of {len(cases)} cases so far, {counts['violations']} violations")
        try:
            outcome = try_case(case, place)
        except Exception as error:
            outcome = Outcome("crashed", (f"crashed: {error!r}",))
        counts[f"{case.image.name}: {outcome.word}"] += 1
        for violation in outcome.violations:
            counts["violations"] += 1
            report(f"{case.image.name}, {case.name}: {violation}")
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=0, help="a sample of so many cases; 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--image", default="", help="only images whose name contains this")
    parser.add_argument("--later", action="store_true", help="leave what can be left to the check after the start")
    options = parser.parse_args()
    if options.later:
        opening.MAX_BYTES_CHECKED_FIRST = 0
    random_ = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        images = [image for image in make_images(place) if options.image in image.name]
        cases = [case for image in images for case in cases_of(image, random_)]
        if options.cases:
            cases = random_.sample(cases, min(options.cases, len(cases)))
        counts = run(cases, place, print)
    print(f"{len(cases)} cases")
    for word, count in sorted(counts.items()):
        print(f"{count:6} {word}")
    return 1 if counts["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
