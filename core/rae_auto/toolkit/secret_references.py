"""References to secrets in texts of a configuration, `${env:NAME}` and `${file:PATH}`: read late, and shown nowhere."""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

# "KEY" and the short words count as a word alone, so that MONKEY, COMPASS and AUTHOR are no secrets.
_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|credential|apikey|private_?key|"
    r"(?:^|[_\W])(?:\w*(?:access|api|secret)key|keys?|pass|pin|auth|dsn|cookie|jwt|pat|webhook)(?:$|[_\W])",
    re.IGNORECASE,
)

_URL_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s]+@")

_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


def resolve_references(
    text: str, environment: Mapping[str, str], owner: str, directory: str | None = None
) -> tuple[str, set[str]]:
    """Return the text with its references replaced, and the secrets among the values. Reads files, so it may block.

    `environment` is that of the daemon, `owner` what the text belongs to, for messages: "env", "password". Relative
    paths start from `directory`. Raises ValueError for a reference that leads nowhere, or to a file that others may
    read; it doesn't repeat the value. The content of a file is a secret, a variable only if `looks_secret`
    says so, or if it is a URL with a password.
    """
    secrets: set[str] = set()

    def read_secret(match: re.Match[str]) -> str:
        read = (
            _from_environment(match[2], environment, owner)
            if match[1] == "env"
            else _from_file(match[2], owner, directory)
        )
        if match[1] == "file" or looks_secret(match[2]) or _URL_PASSWORD.search(read):
            secrets.add(read)
        return read

    return _REFERENCE.sub(read_secret, text), secrets


def looks_secret(name: str) -> bool:
    """Return whether the name of a variable is one that secrets have, such as "API_TOKEN", and unlike "HOME"."""
    return _SECRET_NAME.search(name) is not None


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
