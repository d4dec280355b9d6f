"""Detection of how rae-auto was installed, and the command line that a service should run.

A service outlives upgrades, so its command must be one that an upgrade replaces in place: the script in the environment
of pipx, of uv, or in a virtual environment. An environment that a tool creates for one run and deletes is refused.
"""

import json
import os
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from attrs import frozen

from rae_auto.errors import SchedulerError

_PASSING_DIRECTORIES = ("archive-v0", "builds-v0", "environments-v2", ".cache/pipx", "pipx/.cache")
"""Parts of the paths of environments that 'uvx' and 'pipx run' create and delete."""


@frozen
class Installation:
    """The tool that installed rae-auto (pipx, uv tool, venv or system), and the command line that starts it."""

    kind: str
    command: tuple[str, ...]
    is_editable: bool = False

    def describe(self) -> str:
        """Return a line for a person."""
        return f"{self.kind}, editable" if self.is_editable else self.kind


def find_installation(prefix: Path | None = None) -> Installation:
    """Return how this rae-auto was installed; `prefix` is its environment, by default that of this interpreter.

    Errors: SchedulerError if it would be gone when the service starts.
    """
    root = Path(sys.prefix) if prefix is None else prefix
    kind = _kind_of(root)
    if kind is None:
        raise SchedulerError(
            f"{root} is an environment for one run, which a service would not find again; "
            "install rae-auto with 'uv tool install' or 'pipx install' first"
        )
    return Installation(kind, _command(root), _is_editable())


def _kind_of(root: Path) -> str | None:
    if any(part in root.as_posix() for part in _PASSING_DIRECTORIES):
        return None
    if (root / "uv-receipt.toml").exists():
        return "uv tool"
    if (root / "pipx_metadata.json").exists():
        return "pipx"
    return "venv" if (root / "pyvenv.cfg").exists() else "system"


def _command(root: Path) -> tuple[str, ...]:
    if sys.platform == "win32":
        # The interpreter that opens no console window.
        windowed = root / "Scripts" / "pythonw.exe"
        return (str(windowed if windowed.exists() else sys.executable), "-P", "-m", "rae_auto")
    places = [root / "bin", Path(sysconfig.get_path("scripts")), Path(sysconfig.get_path("scripts", "posix_user"))]
    for script in (place / "rae-auto" for place in places):
        if os.access(script, os.X_OK):
            return (str(script),)
    # -P so that no module of the working directory is imported instead.
    return (sys.executable, "-P", "-m", "rae_auto")


def _is_editable() -> bool:
    try:
        text = distribution("rae-auto").read_text("direct_url.json")
        return bool(json.loads(text or "{}").get("dir_info", {}).get("editable"))
    except (PackageNotFoundError, ValueError, AttributeError):
        return False
