"""Secrets that a job's environment refers to, `${env:NAME}` and `${file:PATH}`: read late, and shown nowhere."""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import evolve

from rae_auto.model.run import Result

MASK = "***"

_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


def resolve_secrets(
    env: Mapping[str, str], inherited: Mapping[str, str], directory: str | None = None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """`env` with its references replaced, and the values that they led to.

    `inherited` is the daemon's environment, `directory` the folder that relative paths start from.
    ValueError for a reference that leads nowhere, or to a file that others may read.
    """
    secrets: set[str] = set()

    def secret(match: re.Match[str]) -> str:
        value = _from_environment(match[2], inherited) if match[1] == "env" else _from_file(match[2], directory)
        secrets.add(value)
        return value

    values = {name: _REFERENCE.sub(secret, value) for name, value in env.items()}
    return values, tuple(sort_secrets(secrets))


def refers_to_files(env: Mapping[str, str]) -> bool:
    """Return whether `resolve_secrets` reads files for these values, which may block."""
    return any(match[1] == "file" for value in env.values() for match in _REFERENCE.finditer(value))


def sort_secrets(secrets: Iterable[str]) -> list[str]:
    """Return the secrets that can be masked, longest first, so that no end of one remains visible.

    What is shorter than four characters would black out half of every text.
    """
    return sorted({value for value in secrets if len(value) >= 4}, key=len, reverse=True)


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text with secrets masked; these come in the order of `sort_secrets`."""
    for value in secrets:
        text = text.replace(value, MASK)
    return text


def mask_result(result: Result, secrets: Iterable[str]) -> Result:
    """Return the result with its secrets masked."""
    known = list(secrets)
    value = json.dumps(result.value, ensure_ascii=False)
    return evolve(
        result,
        error=None if result.error is None else mask_secrets(result.error, known),
        value=result.value if mask_secrets(value, known) == value else MASK,
    )


def _from_environment(name: str, inherited: Mapping[str, str]) -> str:
    if name not in inherited:
        raise ValueError(f"env refers to ${{env:{name}}}, which is not set in the daemon's environment")
    return inherited[name]


def _from_file(name: str, directory: str | None) -> str:
    path = Path(directory or "", Path(name).expanduser())
    try:
        # Without O_NONBLOCK, opening a pipe would block until something writes to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, encoding="utf-8") as file:
            mode = os.fstat(descriptor).st_mode
            if mode & 0o077:
                raise ValueError(f"env refers to {path}, which other users can read; run 'chmod 600 {path}'")
            if not stat.S_ISREG(mode):
                raise ValueError(f"env refers to {path}, which is not a regular file; write the secret to one")
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ValueError(f"env refers to {path}, which can't be read: {why}") from None
