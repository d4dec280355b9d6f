"""References to secrets in texts of a configuration, `${env:NAME}` and `${file:PATH}`: read late, and shown nowhere."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


def resolve_references(
    text: str, environment: Mapping[str, str], owner: str, directory: str | None = None
) -> tuple[str, set[str]]:
    """Return the text with its references replaced, and the values that they led to. Reads files, so it may block.

    `environment` is that of the daemon, `owner` what the text belongs to, for messages: "env", "password". Relative
    paths start from `directory`. Raises ValueError for a reference that leads nowhere, or to a file that others may
    read; it doesn't repeat the value.
    """
    secrets: set[str] = set()

    def read_secret(match: re.Match[str]) -> str:
        read = (
            _from_environment(match[2], environment, owner)
            if match[1] == "env"
            else _from_file(match[2], owner, directory)
        )
        secrets.add(read)
        return read

    return _REFERENCE.sub(read_secret, text), secrets


def refers_to_file(text: str) -> bool:
    """Return whether `resolve_references` reads a file for this text, which may block."""
    return any(match[1] == "file" for match in _REFERENCE.finditer(text))


def _from_environment(name: str, environment: Mapping[str, str], owner: str) -> str:
    if name not in environment:
        raise ValueError(f"{owner} refers to ${{env:{name}}}, which is not set in the daemon's environment")
    return environment[name]


def _from_file(name: str, owner: str, directory: str | None) -> str:
    path = Path(directory or "", Path(name).expanduser())
    try:
        # Without O_NONBLOCK, opening a pipe would block until something writes to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, encoding="utf-8") as file:
            mode = os.fstat(descriptor).st_mode
            if mode & 0o077:
                raise ValueError(f"{owner} refers to {path}, which other users can read; run 'chmod 600 {path}'")
            if not stat.S_ISREG(mode):
                raise ValueError(f"{owner} refers to {path}, which is not a regular file; write the secret to one")
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ValueError(f"{owner} refers to {path}, which can't be read: {why}") from None
