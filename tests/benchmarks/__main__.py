"""One table of rae-auto beside its peers: `python -m tests.benchmarks [LINE …]`.

Each figure comes from a process of its own, and all subjects of a line take turns, so that each has the same minutes
of the machine. Shown are the median of all turns, the least and the greatest, and what rae-auto takes of the floor:
what the same work costs without any scheduler. Peers that aren't installed are left out, with a line that says how to
get them (`pip install -e '.[peers]'`); APScheduler 4 needs an environment of its own, named by --apscheduler4.
`python -m tests.benchmarks pages page_times top` measures what people look at, with the goal beside each figure; its
large history takes minutes to write, and stays for the next time where RAE_BENCHMARK_STORES names a folder.
`--json docs/explanation/performance.json --page docs/explanation/performance.md` writes the page of the docs: the lines
that were measured take the place of the same ones in that file, and each says when and at which load it was measured.
`python -m tests.benchmarks soak` runs a daemon for an hour, `python -m tests.benchmarks growth` shows how cost grows
with the number of jobs and of runs on record; each has a `--help` of its own.
"""

import argparse
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.campaigns import growth, soak
from tests.benchmarks.table.lines import LINES, Line
from tests.benchmarks.table.markdown import with_figures
from tests.benchmarks.table.measurement import Measured, bytecode_kept, measure_line
from tests.benchmarks.table.text import format_line

CAMPAIGNS = {"growth": growth.main, "soak": soak.main}
"""Measurements of their own, with options of their own; both take minutes to hours."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the wanted lines, all of them by default; return the exit code."""
    given_arguments = list(sys.argv[1:] if arguments is None else arguments)
    if given_arguments and given_arguments[0] in CAMPAIGNS:
        return CAMPAIGNS[given_arguments[0]](given_arguments[1:])
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lines", nargs="*", metavar="LINE", help=f"one of: {', '.join(line.name for line in LINES)}")
    parser.add_argument("--repeats", type=int, default=3, help="number of times that each subject is measured (3)")
    parser.add_argument("--small", action="store_true", help="the smallest useful sizes, to see that all of it works")
    parser.add_argument("--size", type=int, action="append", help="measure with this size instead; can be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file, too")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table into a page of the docs, too")
    parser.add_argument("--apscheduler4", metavar="PYTHON", help="the Python of an environment with APScheduler 4")
    given = parser.parse_args(given_arguments)
    known = {line.name: line for line in LINES}
    if unknown := [name for name in given.lines if name not in known]:
        parser.error(f'no line "{unknown[0]}"; there are: {", ".join(known)}')
    print(f"{describe_machine()}, load {_load():.1f}", flush=True)
    pythons = {"apscheduler4": given.apscheduler4} if given.apscheduler4 else {}
    table = _read_lines(given.json)
    with bytecode_kept():
        for line in [known[name] for name in given.lines] or LINES:
            for size in given.size or _sizes(line, is_small=given.small):
                circumstances = _describe_circumstances(line.repeats or given.repeats)
                measured = measure_line(line, size, line.repeats or given.repeats, pythons)
                print(format_line(line, size, measured), flush=True)
                table[line.name, size] = {**_as_json(line, size, measured), **circumstances}
                # After each line, so that what is broken off is not lost.
                _write({"machine": describe_machine(), "lines": _in_order(table)}, given.json, given.page)
    return 0


def _read_lines(file: Path | None) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Return the lines that a file has from earlier measurements, by name and size."""
    if file is None or not file.exists():
        return {}
    return {(line["line"], line["size"]): line for line in json.loads(file.read_text())["lines"]}


def _in_order(table: Mapping[tuple[str, int], Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the lines in the order in which all of them are measured."""
    places = {line.name: place for place, line in enumerate(LINES)}
    return [table[name, size] for name, size in sorted(table, key=lambda key: (places[key[0]], key[1]))]


def _describe_circumstances(repeats: int) -> dict[str, object]:
    return {"measured_on": f"{datetime.now(UTC):%Y-%m-%d}", "repeats": repeats, "load": round(_load(), 1)}


def _load() -> float:
    """Return the average number of processes that computed in the last minute; 0 where it isn't known."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _write(document: Mapping[str, Any], file: Path | None, page: Path | None) -> None:
    if file is not None:
        file.write_text(json.dumps(document, indent=2) + "\n")
    if page is not None:
        page.write_text(with_figures(page.read_text(), document))


def describe_machine() -> str:
    """Return what the figures depend on: processors and versions."""
    return (
        f"rae-auto {version('rae-auto')}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.system()} {platform.release()}, {os.cpu_count()} processors"
    )


def _sizes(line: Line, *, is_small: bool) -> tuple[int, ...]:
    return (line.small_size,) if is_small else line.sizes


def _as_json(line: Line, size: int, measured: Measured) -> dict[str, object]:
    return {
        "line": line.name,
        "size": size,
        "unit": line.unit,
        "values": measured.figures,
        "left_out": measured.missing,
    }


if __name__ == "__main__":
    sys.exit(main())
