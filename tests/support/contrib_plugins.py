"""The plugins in contrib/, installed for a test as one would install them."""

import shutil
import subprocess
import sys
from pathlib import Path

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"


def install_contrib_plugin(name: str, place: Path) -> Path:
    """Install a plugin without its dependencies; return the folder it is in, for PYTHONPATH."""
    # From a copy, because a build leaves files behind.
    project = shutil.copytree(CONTRIB / name, place / "project" / name)
    site = place / "site"
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    command = [sys.executable, "-m", "pip", "install", *flags, str(project)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return site
