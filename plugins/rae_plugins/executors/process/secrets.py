"""References to secrets in a job's environment, resolved when it starts: `${env:NAME}` and `${file:PATH}`."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


def resolved(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment with references replaced, and the secret values, to be masked in what the job prints.

    ValueError for a reference that leads nowhere, or to a file that others may read.
    """
    secrets: list[str] = []

    def secret(match: re.Match[str]) -> str:
        value = (_from_environment if match[1] == "env" else _from_file)(match[2])
        # What is shorter would black out half of the output.
        if len(value) >= 4:
            secrets.append(value)
        return value

    # What rae-auto itself sets holds data of events, which must not be able to ask for secrets.
    values = {
        name: value if name.startswith("RAE_") else _REFERENCE.sub(secret, value) for name, value in environment.items()
    }
    return values, sorted(secrets, key=len, reverse=True)


def _from_environment(name: str) -> str:
    if name not in os.environ:
        raise ValueError(f"env refers to ${{env:{name}}}, which the daemon's environment doesn't have")
    return os.environ[name]


def _from_file(name: str) -> str:
    path = Path(name).expanduser()
    try:
        if path.stat().st_mode & 0o077:
            raise ValueError(f"env refers to {path}, which others may read; chmod 600 it")
        return path.read_text().strip()
    except OSError as error:
        raise ValueError(f"env refers to {path}, which can't be read ({error.strerror})") from None
