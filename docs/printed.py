"""What commands of the pages print: run for real, and written beside them.

A block of commands followed by `<!-- printed -->` gets a block with what they print, as on a terminal of 100 columns.
They read the nearest block of TOML above them as rae.toml, in a folder of its own where nothing is running, beside
the blocks that follow `<!-- file NAME -->`. A block of Python followed by `<!-- printed -->` is run likewise.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from rae_auto.cli.entry import run
from rae_auto.model.primitives import formatting

COLUMNS = 100

SHOWN_FOLDER = "/home/ann/auto"

_OF_TODAY = re.compile(
    r"^--(?:from|at|downtime): .*\n|(?<=^start times: )\d[\d,]* starts of "
    r"| \((?:due now|now|(?:in |due )?\d+ \w+(?: ago)?)\)(?=(  )?)",
    re.MULTILINE,
)
"""What differs from day to day: how a time was understood, its distance from now, and how many starts were compared."""

_PRINTED = re.compile(
    r"(?P<before>^```(?:console\n(?P<commands>(?:\$ [^\n]+\n)+)|python\n(?P<program>(?:(?!```).*\n)+))```\n\n)"
    r"<!-- printed -->\n(?:.|\n)*?<!-- end -->",
    re.MULTILINE,
)


CONFIG = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^<!-- file (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Terminal(io.TextIOWrapper):
    """What is printed, taken for a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True


def with_printed(text: str, folder: Path) -> str:
    """Return a page with what its commands print; `folder` is where linked files of it are."""
    if "<!-- printed -->" not in text:
        return text

    def fill(found: re.Match[str]) -> str:
        above = text[: found.start()]
        files = dict(_FILE.findall(above))
        if configs := CONFIG.findall(above):
            files["rae.toml"] = configs[-1]
        lines = (found["commands"] or "").splitlines()
        printed = print_program(found["program"]) if found["program"] else print_all(lines, files, folder)
        return f"{found['before']}<!-- printed -->\n```text\n{printed.rstrip()}\n```\n<!-- end -->"

    return _PRINTED.sub(fill, text)


def print_all(lines: list[str], files: dict[str, str], folder: Path) -> str:
    """Return what these command lines print, one after the other."""
    printed = []
    for line in lines:
        arguments = [word.replace("DOCS/", f"{folder}/") for word in shlex.split(line)[2:]]
        with in_a_folder(files):
            printed.append(print_one(arguments))
    return "\n\n".join(text.rstrip() for text in printed)


def print_program(program: str) -> str:
    """Return what a program in Python prints."""
    with in_a_folder({}):
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def print_one(arguments: list[str], *, is_aligned: bool = False) -> str:
    """Return what a command prints to both of its streams; `is_aligned` leaves blanks where a column was shortened."""
    terminal = Terminal()
    # An instant of the day on which this runs is printed with its date, as on each other day.
    never = patch.object(formatting, "_is_same_day", lambda one, other: False)
    with never, contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
        run(arguments)
    terminal.seek(0)
    printed = terminal.read()
    text = _OF_TODAY.sub(lambda found: " " * len(found[0]) if is_aligned and found[1] else "", printed).replace(
        str(Path.cwd()), SHOWN_FOLDER
    )
    return "\n".join(line.rstrip() for line in text.splitlines())


@contextlib.contextmanager
def in_a_folder(files: dict[str, str]) -> Iterator[None]:
    """Work in a new folder with these files, with the settings of no person in particular."""
    settings = {"COLUMNS": str(COLUMNS), "NO_COLOR": "1", "TZ": "UTC", "LANG": "C.UTF-8"}
    before, folder_before = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= settings | {"RAE_STATE_DIR": f"{folder}/state"}
        os.environ.pop("RAECONFIG", None)
        os.chdir(folder)
        for name, content in files.items():
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            path.chmod(0o600)
        try:
            yield
        finally:
            os.chdir(folder_before)
            os.environ.clear()
            os.environ |= before
