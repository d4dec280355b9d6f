"""Command lines as people type them into the shell of their platform."""

import re
import sys
from pathlib import Path
from typing import Protocol


class Shell(Protocol):
    """The way in which a shell wants words, variables and folders."""

    def quote_path(self, path: Path, home: Path | None) -> str:
        """Return an absolute path as one word, from the home directory on where the shell knows a short form."""
        ...

    def with_variable(self, name: str, value: str, command: str) -> str:
        """Return a command that runs with a variable; the value is quoted already."""
        ...

    def in_folder(self, folder: str, command: str) -> str | None:
        """Return a command that runs in a folder, which is quoted already; None if a short form doesn't exist."""
        ...


class PosixShell:
    """sh and its relatives."""

    def quote_path(self, path: Path, home: Path | None) -> str:
        """Return it from `~` on where that is shorter."""
        import shlex  # lazy: start-up

        if home is not None and path != home and path.is_relative_to(home):
            return f"~/{shlex.quote(str(path.relative_to(home)))}"
        return shlex.quote(str(path))

    def with_variable(self, name: str, value: str, command: str) -> str:
        """Return the assignment before the command."""
        return f"{name}={value} {command}"

    def in_folder(self, folder: str, command: str) -> str | None:
        """Return `cd` before the command."""
        return f"cd {folder} && {command}"


class WindowsShells:
    """The common ground of cmd.exe and PowerShell: the user may have either."""

    def quote_path(self, path: Path, home: Path | None) -> str:
        """Return it in full, because cmd.exe has no `~`, and in double quotes where needed."""
        text = str(path)
        return text if re.fullmatch(r"[\w:.\\/~-]+", text) else f'"{text}"'

    def with_variable(self, name: str, value: str, command: str) -> str:
        """Return a call of cmd.exe, since the two set variables in ways that the other doesn't know."""
        # Its quotes would belong to the value.
        return f'cmd /c "set {name}={value.strip(chr(34))}&& {command}"'

    def in_folder(self, folder: str, command: str) -> str | None:
        """Return None: older PowerShells have no `&&`."""
        return None


def shell_of_platform(platform: str = sys.platform) -> Shell:
    """Return the adapter of a platform."""
    return WindowsShells() if platform == "win32" else PosixShell()
