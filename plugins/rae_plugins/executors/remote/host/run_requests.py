"""Requests for attempts, completed on the machine where they run, and the directories that they leave."""

import base64
import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from rae_plugins.executors.process.keeper.files.records import remove_private_files
from rae_plugins.executors.remote.host.run_directory import RunDirectory

DONE_DAYS, UNDELIVERED_DAYS = 7, 60
"""Days for which the directory of an attempt is kept: once the daemon has its result, and without that."""

UNKEPT_PRIVATE_SECONDS = 600.0
"""Age after which private files have no use where no keeper is alive, which takes a moment at the start."""


def complete_request(directory: RunDirectory, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request as the keeper takes it: with the variables and paths of this machine."""
    made = dict(request, key=directory.token, output=directory.output)
    own = ("HOME", "LOGNAME", "PATH", "SHELL", "USER", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR")
    environment = {name: os.environ[name] for name in own if name in os.environ}
    environment.update((name, os.environ[name]) for name in os.environ if name.startswith("LC_"))
    environment.update(made["env"])
    if made["files"]:
        os.mkdir(directory.private, 0o700)
        made["private"] = directory.private
    for number, (name, text) in enumerate(sorted(made.pop("files").items())):
        path = os.path.join(directory.private, str(number))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64decode(text))
        environment[name] = path
    made["env"] = environment
    made["cwd"] = os.path.join(os.path.expanduser("~"), os.path.expanduser(made["cwd"] or ""))
    return made


def check_token(token: str) -> str:
    """Return a token that is the name of a directory, and no path. Errors: ValueError."""
    if not token.replace(".", "").replace("-", "").replace("_", "").isalnum() or token.startswith("."):
        raise ValueError(token)
    return token


def remove_old(runs: str) -> None:
    """Remove directories of attempts that are long over, secrets without a keeper, and agents of earlier versions."""
    now = time.time()
    for name in os.listdir(runs):
        directory = RunDirectory(runs, name)
        with suppress(OSError):
            is_done = os.path.exists(os.path.join(directory.path, "done"))
            age_days = (now - os.stat(directory.path).st_mtime) / 86_400
            if age_days > (DONE_DAYS if is_done else UNDELIVERED_DAYS) and not directory.is_kept():
                shutil.rmtree(directory.path)
        with suppress(OSError):
            age_seconds = now - os.stat(directory.private).st_mtime
            if age_seconds > UNKEPT_PRIVATE_SECONDS and not directory.is_kept():
                remove_private_files(directory.private)
    base = os.path.dirname(runs)
    for name in os.listdir(base):
        path = os.path.join(base, name)
        with suppress(OSError):
            is_other = name.startswith("agent-") and path != sys.path[0]
            if is_other and now - os.stat(path).st_mtime > UNDELIVERED_DAYS * 86_400:
                shutil.rmtree(path)
