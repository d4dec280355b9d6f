"""Start and exit records: small JSON files beside a job's output file."""

import json
import os
from typing import Any


def record_path(output: str, kind: str) -> str:
    """Return the path of the record of this kind ("start" or "exit") for the output file `NAME.log`."""
    return output[: -len("log")] + kind


def write_atomically(path: str, record: dict[str, Any]) -> None:
    """Write a record that readers see whole or not at all. Errors: OSError."""
    temporary = path + ".tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, json.dumps(record).encode())
    finally:
        os.close(descriptor)
    os.replace(temporary, path)
