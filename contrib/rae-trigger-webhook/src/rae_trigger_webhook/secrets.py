"""Tokens and secrets by reference, `${env:NAME}` and `${file:PATH}`: read when needed, and never shown."""

import asyncio
import os
import re
from pathlib import Path

MIN_SECRET_CHARACTERS = 16
"""Shorter ones can be guessed."""

_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


def is_reference(value: str) -> bool:
    """Return whether a value says where the secret is, and isn't the secret itself."""
    return _REFERENCE.fullmatch(value) is not None


def check_secret(name: str, value: str | None) -> None:
    """Check a token or secret of the configuration. Errors: ValueError, which doesn't repeat the value."""
    if value is None or is_reference(value):
        return
    if value.startswith("${"):
        raise ValueError(f'"{name}" is an invalid reference; use ${{env:NAME}} or ${{file:PATH}}')
    _check_length(f'"{name}"', value)


async def read_secret(name: str, value: str) -> bytes:
    """Return the secret of a reference as it is now, so that a new one needs no restart. Errors: ValueError."""
    reference = _REFERENCE.fullmatch(value)
    if reference is None:
        return value.encode()
    if reference[1] == "env":
        secret = os.environ.get(reference[2], "")
    else:
        secret = await asyncio.to_thread(_read_file, name, reference[2])
    _check_length(f'"{name}" from {value}', secret)
    return secret.encode()


def _read_file(name: str, path_text: str) -> str:
    path = Path(path_text).expanduser()
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ValueError(f"\"{name}\": other users can read {path}; run 'chmod 600' on it")
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ValueError(f'"{name}": {path} cannot be read ({problem}); check the path in ${{file:…}}') from None


def _check_length(subject: str, secret: str) -> None:
    if len(secret) < MIN_SECRET_CHARACTERS:
        raise ValueError(
            f"{subject} must have at least {MIN_SECRET_CHARACTERS} characters; create one with 'openssl rand -hex 32'"
        )
