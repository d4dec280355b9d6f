"""The folders that a platform has for the state and the configuration of a user's programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path


def base_directories(home: Callable[[], Path], platform: str = sys.platform) -> tuple[Path, Path]:
    """Return the folders of this user's state and configuration, which need not exist.

    `home` returns the home directory, and is called if it is needed.
    """
    if platform == "win32":
        return (
            _from_environment("LOCALAPPDATA", "AppData/Local", home) / "rae-auto" / "state",
            _from_environment("APPDATA", "AppData/Roaming", home) / "rae-auto",
        )
    if platform == "darwin":
        support = home() / "Library" / "Application Support" / "rae-auto"
        return support / "state", support
    return (
        _from_environment("XDG_STATE_HOME", ".local/state", home) / "rae-auto",
        _from_environment("XDG_CONFIG_HOME", ".config", home) / "rae-auto",
    )


def _from_environment(variable: str, fallback: str, home: Callable[[], Path]) -> Path:
    """Return a base directory; a relative one is ignored, as the XDG Base Directory Specification (0.8) demands."""
    base = Path(os.environ.get(variable, ""))
    return base if base.is_absolute() else home() / fallback
