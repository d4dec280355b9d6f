"""Programs as they would be started: looked up without running them, with the problem and the remedy in one line.

`shutil.which` answers only whether there is one. Where there is none, people need to know which of the many reasons it
is: a name that no folder has, a script without the x bit, a first line whose interpreter is missing.
"""

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from rae_auto.model.primitives.escaping import quote_short
from rae_auto.paths import home_or_root
from rae_auto.toolkit.environment import inherited_environment
from rae_auto.toolkit.files import find_obstacle, is_file, is_folder

MAX_PATH_CHARACTERS = 200
"""Characters of a path in a message."""

_MAX_FIRST_LINE_BYTES = 256


@frozen
class _Rules:
    """The parts of a program's name that a platform reads."""

    separators: str
    has_first_lines: bool
    """The kernel reads the first line of a script."""
    has_endings: bool
    """PATHEXT names endings that a program's name may lack."""


_POSIX, _WINDOWS = _Rules("/", True, False), _Rules("/\\", False, True)


def _rules() -> _Rules:
    return _WINDOWS if sys.platform == "win32" else _POSIX


def find_program_problem(program: str, environment: Mapping[str, str], directory: str | Path) -> str | None:
    """Return why a program can't be started now, and what to do, or None if it can.

    A name without a slash is looked up on the PATH of `environment`, any other from the working `directory`, as
    execvp(3) does.
    """
    if (runnable := find_program(program, environment, directory)) is not None:
        return _find_interpreter_problem(runnable, environment)
    found = [path for path in _candidates(program, environment, directory) if is_file(path)]
    if found:
        return f"program {_quote(found[0])} is not executable; run 'chmod +x {found[0]}'"
    if "/" not in program:
        return f"program {quote_short(program)} not found on PATH; install it, or give its full path"
    path = Path(directory, program)
    if is_folder(path):
        return f"{_quote(path)} is a directory; name a program"
    if (obstacle := find_obstacle(path)) is not None:
        return f"program {quote_short(program)} can't be reached: {obstacle}; change its permissions, or the path"
    where = "" if Path(program).is_absolute() else f" in {_quote(Path(directory))}"
    return f"program {quote_short(program)} does not exist{where}; correct the path"


def find_program(program: str, environment: Mapping[str, str], directory: str | Path) -> Path | None:
    """Return the file that execvp(3) would start for a program; None if there is none that can be started."""
    candidates = _candidates(program, environment, directory)
    # Folders that may not be entered are passed over, as by execvp(3).
    return next((path for path in candidates if is_file(path) and os.access(path, os.X_OK)), None)


def find_inherited_program_problem(program: str, directory: str | None = None) -> str | None:
    """Return why a program of a plugin can't be started now, with the environment that plugins give their commands.

    `directory` is its working directory; by default the home directory.
    """
    return find_program_problem(program, inherited_environment(os.environ), directory or home_or_root())


def find_directory_problem(path: str | Path) -> str | None:
    """Return why a folder can't be used as working directory, and what to do, or None if it can."""
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return f"directory {_quote(path)} does not exist; create it, or change the path"
    except OSError as error:
        return f"directory {_quote(path)} can't be read: {error.strerror}; change its permissions, or the path"
    if not stat.S_ISDIR(mode):
        return f"{_quote(path)} is not a directory; change the path"
    if not os.access(path, os.X_OK):
        return f"directory {_quote(path)} may not be entered; change its permissions, or the path"
    return None


def _candidates(program: str, environment: Mapping[str, str], directory: str | Path) -> Iterator[Path]:
    rules = _rules()
    if any(separator in program for separator in rules.separators):
        yield Path(directory, program)
        return
    endings = environment.get("PATHEXT", ".EXE;.BAT;.CMD").split(";") if rules.has_endings else []
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        for ending in ("", *endings):
            yield Path(directory, folder, program + ending)


def _find_interpreter_problem(path: Path, environment: Mapping[str, str]) -> str | None:
    """Return what is wrong with the first line of a script, as execve(2) reads it, or None."""
    if not _rules().has_first_lines:
        return None
    try:
        with path.open("rb") as file:
            first = file.read(_MAX_FIRST_LINE_BYTES).split(b"\n", 1)[0]
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return None
    if first.endswith(b"\r"):
        return f"the lines of {_quote(path)} end with CR LF, as on Windows; run 'sed -i \"s/\\r$//\" {path}'"
    words = os.fsdecode(first[2:]).split()
    if not words:
        return None
    if not os.access(words[0], os.X_OK):
        return f"the first line of {_quote(path)} names {quote_short(words[0])}, which can't be run; correct that line"
    if os.path.basename(words[0]) == "env" and len(words) == 2 and "=" not in words[1]:  # noqa: PTH119 - a word
        runnable = any(os.access(found, os.X_OK) for found in _candidates(words[1], environment, "/"))
        if not runnable:
            return f"the first line of {_quote(path)} needs {quote_short(words[1])}, which is not on PATH; install it"
    return None


def _quote(path: str | Path) -> str:
    return quote_short(str(path), MAX_PATH_CHARACTERS)
