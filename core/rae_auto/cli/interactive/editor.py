"""The editor of a person: opens a file at a line, and waits until it is closed.

`click.edit` takes a text and no line.
"""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import click

_USUAL_EDITORS = ("editor", "nano", "vi")
_PLUS_LINE = {"vi", "vim", "nvim", "view", "nano", "emacs", "emacsclient", "micro", "joe", "ne", "mg", "editor", "kak"}
"""Editors that take the line as `+LINE`."""


def open_editor(path: Path, line: int = 1) -> None:
    """Open a file in the editor that VISUAL or EDITOR names, or else in a usual one, and wait for its end.

    Errors: click.ClickException if there is none, or if it fails.
    """
    command = _find_editor()
    try:
        code = subprocess.run([*command, *_arguments(command, path, line)]).returncode
    except OSError as error:
        raise click.ClickException(f"the editor {command[0]} can't be started ({error.strerror}); set EDITOR") from None
    if code:
        raise click.ClickException(f"the editor {command[0]} ended with exit code {code}; type the command again")


def _find_editor() -> list[str]:
    for variable in ("VISUAL", "EDITOR"):
        if words := shlex.split(os.environ.get(variable, "")):
            return words
    for name in _USUAL_EDITORS:
        if (found := shutil.which(name)) is not None:
            return [found]
    raise click.ClickException("no editor was found; set the variable EDITOR to one, as in EDITOR=nano")


def _arguments(command: list[str], path: Path, line: int) -> list[str]:
    name = Path(command[0]).name
    if name in _PLUS_LINE:
        return [f"+{line}", str(path)]
    if name in ("code", "codium"):
        return [*([] if "--wait" in command else ["--wait"]), "--goto", f"{path}:{line}"]
    if name in ("hx", "helix", "subl"):
        return [f"{path}:{line}"]
    return [str(path)]
