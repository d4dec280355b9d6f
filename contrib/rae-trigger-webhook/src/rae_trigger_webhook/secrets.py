"""Tokens and secrets by reference, `${env:NAME}` and `${file:PATH}`: read late, and shown nowhere."""

import asyncio
import os
import re
from pathlib import Path

SHORTEST = 16
"""Characters: what is shorter can be guessed."""

_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


def is_reference(value: str) -> bool:
    """Whether it says where the secret is, and isn't the secret itself."""
    return _REFERENCE.fullmatch(value) is not None


def check_secret(name: str, value: str | None) -> None:
    """Raise ValueError for a value that can't be meant; it is not repeated in the message."""
    if value is None or is_reference(value):
        return
    if value.startswith("${"):
        raise ValueError(f"{name} must be ${{env:NAME}} or ${{file:PATH}}")
    _long_enough(name, value)


async def resolved(name: str, value: str) -> bytes:
    """The secret of a reference, as it is now, so that another one needs no restart; ValueError says what it lacks."""
    reference = _REFERENCE.fullmatch(value)
    if reference is None:
        return value.encode()
    if reference[1] == "env":
        found = os.environ.get(reference[2], "")
    else:
        found = await asyncio.to_thread(_read, name, reference[2])
    return _long_enough(f"{name} {value}", found).encode()


def _read(name: str, place: str) -> str:
    path = Path(place).expanduser()
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ValueError(f"{name}: others may read {path}; chmod 600 it")
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it isn't UTF-8 text"
        raise ValueError(f"{name}: {path} can't be read ({why})") from None


def _long_enough(name: str, value: str) -> str:
    if len(value) < SHORTEST:
        raise ValueError(f"{name} must have at least {SHORTEST} characters; 'openssl rand -hex 32' makes some")
    return value
