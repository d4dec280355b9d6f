"""The same records without a scheduler: the least that Python needs to put each start and end of a function on record.

Before a call, the run and the progress of its job are durable, each with its checksum; after it, an entry of the
history with as many indexes as ours, and the state of the job. Starts and ends share commits as far as they can.
Nothing is decided: there are no schedules, policies, reasons or retries, and nothing is captured or reported. So the
difference to `floors` is what Python takes for records, and the difference to ours is what scheduling takes.
"""

import itertools
import json
import queue
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import starts
from figures import fresh_folder, percentiles, report, wait_for

STARTS_A_COMMIT = 100
AT_ONCE = 64
THREADS = 8

TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE documents (kind TEXT, key TEXT, body TEXT, crc INT, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE entries (seq INTEGER PRIMARY KEY, key TEXT, job TEXT, state TEXT, at REAL, ended REAL, body TEXT, crc INT);
CREATE UNIQUE INDEX by_key ON entries (key);
CREATE INDEX by_time ON entries (at, seq);
CREATE INDEX by_job ON entries (job, at, seq, state);
CREATE INDEX by_state ON entries (state, at, seq);
CREATE INDEX by_end ON entries (ended, seq, state);
"""

Run = dict[str, Any]


def measure_lateness(size: int, _: str) -> dict[str, float]:
    """Start so many functions that are due now."""
    with open_database() as database, ThreadPoolExecutor(THREADS) as pool:
        began, numbers = time.time(), iter(range(size))
        while some := list(itertools.islice(numbers, STARTS_A_COMMIT)):
            runs = [new_run(number) for number in some]
            commit(database, runs, [])
            for _run in runs:
                pool.submit(starts.note)
        wait_for(lambda: len(starts.AT) >= size)
    return percentiles([at - began for at in starts.AT])


def measure_runs(size: int, _: str) -> dict[str, float]:
    """Run so many functions, some at once: the next start where others have ended."""
    with open_database() as database, ThreadPoolExecutor(THREADS) as pool:
        ended: queue.SimpleQueue[Run] = queue.SimpleQueue()
        began, numbers, open_runs, left = time.perf_counter(), iter(range(size)), 0, size
        while left:
            ends = [ended.get()] if open_runs else []
            while not ended.empty():
                ends.append(ended.get())
            open_runs, left = open_runs - len(ends), left - len(ends)
            runs = [new_run(number) for number in itertools.islice(numbers, AT_ONCE - open_runs)]
            commit(database, runs, ends)
            open_runs += len(runs)
            for run in runs:
                pool.submit(_call, run, ended)
        return {"rate": size / (time.perf_counter() - began)}


def _call(run: Run, ended: "queue.SimpleQueue[Run]") -> None:
    starts.note()
    ended.put({**run, "state": "succeeded", "finished_at": time.time()})


def new_run(number: int) -> Run:
    now = datetime.now(UTC).isoformat()
    attempt = {"number": 1, "executor": "thread", "started_at": now}
    cause = {"trigger": "schedule", "key": now, "due_at": now}
    return {"id": f"{number:026}", "job": f"j{number}", "state": "starting", "cause": cause, "attempts": [attempt]}


def commit(database: sqlite3.Connection, runs: Sequence[Run], ends: Sequence[Run]) -> None:
    entries = [_entry(run) for run in ends]
    documents = [_document("run", run["id"], run) for run in runs]
    documents += [_document("state", run["job"], {"run": run["id"], "is_open": run["state"]}) for run in (*runs, *ends)]
    database.execute("BEGIN IMMEDIATE")
    database.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)", documents)
    database.executemany("DELETE FROM documents WHERE kind = 'run' AND key = ?", ((run["id"],) for run in ends))
    database.executemany(
        "INSERT INTO entries (key, job, state, at, ended, body, crc) VALUES (?, ?, ?, ?, ?, ?, ?)", entries
    )
    database.execute("COMMIT")


def _document(kind: str, key: str, body: Run) -> tuple[Any, ...]:
    text = json.dumps(body)
    return kind, key, text, zlib.crc32(text.encode())


def _entry(run: Run) -> tuple[Any, ...]:
    text = json.dumps(run)
    return run["id"], run["job"], run["state"], run["finished_at"], time.time(), text, zlib.crc32(text.encode())


@contextmanager
def open_database() -> Iterator[sqlite3.Connection]:
    with fresh_folder() as place:
        database = sqlite3.connect(Path(place) / "records.sqlite", isolation_level=None)
        database.executescript(TABLES)
        yield database
        database.close()


if __name__ == "__main__":
    report({"lateness": measure_lateness, "runs": measure_runs})
