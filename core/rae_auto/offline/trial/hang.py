"""The place at which a worker hangs: faulthandler records it, even if the interpreter is blocked."""

import faulthandler
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

ALARM_SECONDS = 1.0
FILE_NAME = "stack"

_PLACE = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)

_file: IO[str] | None = None


def arm(folder: Path) -> None:
    """Record where the main thread is, each time that it has not reported for a second."""
    global _file
    _file = (folder / FILE_NAME).open("w", encoding="utf-8")
    faulthandler.enable(_file)
    _patch_exit(_file)
    show_life()


def show_life() -> None:
    """Restart that second."""
    if _file is not None:
        _file.seek(0)
        _file.truncate()
        faulthandler.dump_traceback_later(ALARM_SECONDS, repeat=True, file=_file)


def find_place(folder: Path, sources: Sequence[Path]) -> str:
    """Return FILE:LINE (FUNCTION) of the innermost call of the plugin in the record; "" if there is none."""
    try:
        text = (folder / FILE_NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for file, line, function in _PLACE.findall(text):
        if any(Path(file).resolve().is_relative_to(source) for source in sources):
            return f"{file}:{line} ({function})"
    return ""


def _patch_exit(file: IO[str]) -> None:
    """Have `os._exit`, which ends a process silently, record its caller."""
    leave = os._exit

    def leave_with_place(status: int) -> None:
        frame = sys._getframe(1)
        file.write(f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}\n')
        file.flush()
        leave(status)

    os._exit = leave_with_place  # type: ignore[assignment]
