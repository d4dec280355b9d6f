"""The least that the work costs on this machine: SQLite, system calls and the interpreter, without a scheduler."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import milliseconds_of_process, percentiles, report

ROW = json.dumps({"run": "01JQX0000000000000000000", "job": "backup", "state": "starting"})


def measure_lateness(size: int, _: str) -> dict[str, float]:
    """Note so many starts in one durable commit."""
    with tempfile.TemporaryDirectory() as place:
        database = _database(Path(place))
        began = time.perf_counter()
        with database:
            database.executemany("INSERT INTO runs VALUES (?)", [(ROW,)] * size)
        took = time.perf_counter() - began
        database.close()
    return percentiles([took])


def measure_lateness_of_commands(size: int, _: str) -> dict[str, float]:
    """Start so many commands one after the other."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "starts"
        shell = ["/bin/sh", "-c", f"date +%s.%N >> {file}"]
        began = time.time()
        pids = [os.posix_spawn(shell[0], shell, os.environ) for _ in range(size)]
        for pid in pids:
            os.waitpid(pid, 0)
        return percentiles([float(line) - began for line in file.read_text().splitlines()])


def measure_runs(size: int, _: str) -> dict[str, float]:
    """Commit so many rows, each for itself."""
    with tempfile.TemporaryDirectory() as place:
        database = _database(Path(place))
        began = time.perf_counter()
        for _number in range(size):
            with database:
                database.execute("INSERT INTO runs VALUES (?)", (ROW,))
        rate = size / (time.perf_counter() - began)
        database.close()
    return {"rate": rate}


def measure_commands(size: int, _: str) -> dict[str, float]:
    """Start so many commands, each after the end of the one before."""
    began = time.perf_counter()
    for _number in range(size):
        os.waitpid(os.posix_spawn("/bin/true", ["/bin/true"], os.environ), 0)
    return {"rate": size / (time.perf_counter() - began)}


def measure_memory(size: int, _: str) -> dict[str, float]:
    """Hold so many jobs as dictionaries, in an interpreter with asyncio and SQLite."""
    code = (
        "import asyncio, sqlite3, json, re\n"
        f"jobs = [dict(id=f'j{{n}}', command='true', schedule=f'{{n % 60}} 4 * * *') for n in range({size})]\n"
        "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmRSS')))"
    )
    kibibytes = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return {"resident": int(kibibytes) / 1024}


def measure_add(size: int, _: str) -> dict[str, float]:
    """Write so many rows in one commit, and read them again."""
    with tempfile.TemporaryDirectory() as place:
        database = _database(Path(place))
        began = time.perf_counter()
        with database:
            database.executemany("INSERT INTO runs VALUES (?)", ((json.dumps({"job": n}),) for n in range(size)))
        added = time.perf_counter()
        rows = [json.loads(row) for (row,) in database.execute("SELECT * FROM runs")]
        assert len(rows) == size
        took = time.perf_counter() - added
        database.close()
    return {"add": added - began, "restart": took}


def measure_command_line(repeats: int, _: str) -> dict[str, float]:
    """Start an interpreter that does nothing."""
    bare = milliseconds_of_process([sys.executable, "-I", "-S", "-c", "pass"], repeats)
    return dict.fromkeys(("--version", "--help", "status", "history"), bare)


def _database(place: Path) -> sqlite3.Connection:
    database = sqlite3.connect(place / "floor.sqlite")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE runs (body TEXT)")
    return database


if __name__ == "__main__":
    report(
        {
            "lateness": measure_lateness,
            "lateness_of_commands": measure_lateness_of_commands,
            "runs": measure_runs,
            "commands": measure_commands,
            "memory": measure_memory,
            "add": measure_add,
            "command_line": measure_command_line,
        }
    )
