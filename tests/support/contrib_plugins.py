"""The plugins in contrib/, installed for a test as one would install them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"


def install_contrib_plugin(name: str, place: Path) -> Path:
    """Install a plugin without its dependencies; return the folder it is in, for PYTHONPATH.

    Once for all tests of a run, where `place` is below its temporary folder: pip takes seconds.
    """
    shared = _find_folder_of_run(place)
    if shared is None:
        return _install(name, place)
    done = shared / "contrib-plugins" / name
    if not (done / "site").exists():
        fresh = done.with_name(f"{name}.{os.getpid()}")
        _install(name, fresh)
        try:
            fresh.rename(done)
        except OSError:
            # Another worker was first.
            shutil.rmtree(fresh, ignore_errors=True)
    return done / "site"


def _find_folder_of_run(place: Path) -> Path | None:
    """Return the temporary folder that all workers of a run of pytest have in common."""
    folders = [folder for folder in place.parents if re.fullmatch(r"pytest-\d+|popen-gw\d+", folder.name)]
    return folders[-1] if folders else None


def _install(name: str, place: Path) -> Path:
    # From a copy, because a build leaves files behind.
    project = shutil.copytree(CONTRIB / name, place / "project" / name)
    site = place / "site"
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    command = [sys.executable, "-m", "pip", "install", *flags, str(project)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return site
