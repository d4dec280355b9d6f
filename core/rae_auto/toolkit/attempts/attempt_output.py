"""The output file of an attempt: with a limit, and without secrets."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

MASK = b"***"
_CHUNK_BYTES = 1 << 20


class AttemptOutput:
    """Writes what an attempt prints to its file, at most `limit` bytes of it, with `***` for each secret.

    What comes after that is dropped, and a last line says how much. A secret that comes in two pieces is masked too:
    as many bytes as might be the beginning of one are held back until more comes.
    """

    def __init__(self, path: Path, limit: int, secrets: Sequence[str] = ()) -> None:
        """Create the file, for the owner alone. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
        self._limit = limit
        self._secrets = sorted({secret.encode() for secret in secrets if secret}, key=len, reverse=True)
        self._held = b""
        self._written = 0
        self._dropped = 0

    def write(self, data: bytes) -> None:
        """Write what fits. Raises OSError."""
        whole = self._mask(self._held + data)
        keep = max((_count_held_back(whole, secret) for secret in self._secrets), default=0)
        self._held = whole[len(whole) - keep :]
        self._write(whole[: len(whole) - keep])

    def _mask(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, MASK)
        return data

    def _write(self, data: bytes) -> None:
        fits = data[: max(0, self._limit - self._written)]
        self._dropped += len(data) - len(fits)
        rest = memoryview(fits)
        while rest:
            # On a disk that is almost full less is written than asked for.
            count = self._file.write(rest)
            self._written += count
            rest = rest[count:]

    def close(self) -> None:
        """Write what was held back, and how much was dropped."""
        if not self._file.closed:
            try:
                held, self._held = self._held, b""
                self._write(held)
                if self._dropped:
                    self._file.write(f"\n[{self._dropped} bytes are missing: limits.output is reached]\n".encode())
            finally:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def mask_output_file(path: Path, secrets: Sequence[str]) -> None:
    """Replace each secret in the file of an attempt that has ended. Does nothing where there is none. Raises OSError.

    A new file takes the place of the old one, so that no reader finds half of it.
    """
    if not secrets or not path.exists() or not _has_secret(path, secrets):
        return
    masked = path.with_name(f"{path.name}.tmp")
    with path.open("rb") as source, AttemptOutput(masked, sys.maxsize, secrets) as output:
        while data := source.read(_CHUNK_BYTES):
            output.write(data)
    masked.replace(path)


def _has_secret(path: Path, secrets: Sequence[str]) -> bool:
    wanted = [secret.encode() for secret in secrets if secret]
    overlap = max(map(len, wanted), default=1) - 1
    tail = b""
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            whole = tail + data
            if any(secret in whole for secret in wanted):
                return True
            tail = whole[len(whole) - overlap :] if overlap else b""
    return False


def _count_held_back(data: bytes, secret: bytes) -> int:
    """Return how many bytes at the end of the data are the beginning of the secret."""
    lengths = range(min(len(secret) - 1, len(data)), 0, -1)
    return next((length for length in lengths if data.endswith(secret[:length])), 0)
