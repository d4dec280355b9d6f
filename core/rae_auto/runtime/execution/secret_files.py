"""Private files with the secrets of an attempt: `secrets/RUN.N/NAME` in the state directory.

They are there while the attempt runs: written before it starts, and removed when it has ended. Where the daemon was
killed meanwhile, the executor removes them if it can, or else the next daemon. Everything in here may block on the
disk, so it is called in threads.
"""

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from loguru import logger

from rae_auto.toolkit.files import create_private_directory, open_private


def secret_directory(directory: Path, run: str, attempt: int) -> Path:
    """Return the path of the private files of an attempt, in a state directory."""
    return directory / "secrets" / f"{run}.{attempt}"


def write_secret_files(path: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Write the files into a fresh directory, for the owner alone; return their paths by name. Errors: OSError."""
    create_private_directory(path.parent)
    remove_secret_files(path)
    path.mkdir(mode=0o700)
    for name, text in files.items():
        descriptor = open_private(path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
    return {name: str(path / name) for name in files}


def remove_secret_files(path: Path) -> None:
    """Remove the files of an attempt, if there are any."""
    shutil.rmtree(path, ignore_errors=True)


def remove_other_secret_files(directory: Path, attempts: Collection[tuple[str, int]]) -> None:
    """Remove the files of all attempts but these from a state directory: those that a crash has left.

    A directory that can't be read is logged, and active attempts are looked after all the same.
    """
    kept = {secret_directory(directory, run, attempt).name for run, attempt in attempts}
    folder = directory / "secrets"
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name not in kept:
                    remove_secret_files(Path(entry))
    except FileNotFoundError:
        return
    except OSError as error:
        logger.error(
            "{}: can't be read ({}), so secrets of attempts that have ended may be left there; remove them by hand",
            folder,
            error.strerror,
        )
