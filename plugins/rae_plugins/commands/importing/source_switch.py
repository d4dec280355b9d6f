"""Switching the source off and on again: lines of a crontab are commented out, timers stopped, and both undone."""

import shutil
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

from rae_auto.errors import BadRequest
from rae_auto.toolkit.files import write_atomically

MARK = "#rae-auto# "
"""Stands before each line that was imported and is switched off."""


def disable_lines(text: str, numbers: Collection[int]) -> tuple[str, int]:
    """Return a crontab with these lines, by their numbers from 1, commented out, and how many that were."""
    lines = text.splitlines(keepends=True)
    changed = 0
    for number in numbers:
        if not lines[number - 1].startswith(MARK):
            lines[number - 1] = MARK + lines[number - 1]
            changed += 1
    return "".join(lines), changed


def restore_lines(text: str) -> tuple[str, int]:
    """Return a crontab with the lines that `disable_lines` commented out as they were, and how many that were."""
    lines = text.splitlines(keepends=True)
    marked = sum(line.startswith(MARK) for line in lines)
    return "".join(line.removeprefix(MARK) for line in lines), marked


def read_user_crontab() -> str:
    """Return the crontab of the user, empty if there is none. Errors: BadRequest without a crontab program."""
    done = _run_crontab("-l")
    return done.stdout if done.returncode == 0 else ""


def write_user_crontab(text: str) -> None:
    """Replace the crontab of the user. Errors: BadRequest if crontab refuses it."""
    done = _run_crontab("-", given=text)
    if done.returncode:
        raise BadRequest(f"crontab refused the change: {done.stderr.strip() or done.stdout.strip()}")


def _run_crontab(argument: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("crontab")
    if program is None:
        raise BadRequest("there is no program \"crontab\" here; name a file, or '-' for standard input")
    return subprocess.run([program, argument], input=given, capture_output=True, text=True, timeout=30, check=False)


def change_file(path: Path, change: Callable[[str], tuple[str, int]]) -> int:
    """Change a file in its place, with its rights, and return how many lines changed. Errors: OSError."""
    before = path.read_text()
    after, count = change(before)
    if count:
        status = path.stat()
        write_atomically(path, after.encode())
        path.chmod(status.st_mode & 0o7777)
    return count


TIMER_MARK = "rae-auto-import.conf"
"""A drop-in without a setting, beside each timer that is switched off: it has what the timer was."""


def disable_timers(names: Collection[str], folder: Path, *, is_system: bool) -> int:
    """Disable and stop those timers that are enabled or active, and return how many. Errors: BadRequest, OSError.

    What each was is kept in `folder`, that of the administrator or the user, for `restore_timers`.
    """
    states = {name: _state_of(name, is_system=is_system) for name in names}
    chosen = [name for name, state in states.items() if state]
    for name in chosen:
        mark = folder / f"{name}.d" / TIMER_MARK
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(f"# Switched off by 'rae-auto import --disable-source'; it was: {' '.join(states[name])}\n")
    if chosen:
        _call_systemctl("disable", "--now", *chosen, is_system=is_system)
    return len(chosen)


def restore_timers(names: Collection[str], folder: Path, *, is_system: bool) -> int:
    """Enable and start again the timers that `disable_timers` switched off, and return how many. Errors: as there."""
    restored = 0
    for name in names:
        mark = folder / f"{name}.d" / TIMER_MARK
        if not mark.is_file():
            continue
        words = mark.read_text().rpartition(": ")[2].split()
        for state, command in (("enabled", "enable"), ("active", "start")):
            if state in words:
                _call_systemctl(command, name, is_system=is_system)
        mark.unlink()
        if not any(mark.parent.iterdir()):
            mark.parent.rmdir()
        restored += 1
    return restored


def _state_of(name: str, *, is_system: bool) -> list[str]:
    questions = (("is-enabled", "enabled"), ("is-active", "active"))
    return [word for question, word in questions if _ask_systemctl(question, name, is_system=is_system) == word]


def _ask_systemctl(question: str, name: str, *, is_system: bool) -> str:
    return _run_systemctl(question, name, is_system=is_system).stdout.strip()


def _call_systemctl(*words: str, is_system: bool) -> None:
    done = _run_systemctl(*words, is_system=is_system)
    if done.returncode:
        raise BadRequest(f"systemctl refused the change: {(done.stderr or done.stdout).strip()[:300]}")


def _run_systemctl(*words: str, is_system: bool) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("systemctl")
    if program is None:
        raise BadRequest('there is no program "systemctl" here; switch the timers where systemd runs')
    command = [program, *(() if is_system else ("--user",)), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
