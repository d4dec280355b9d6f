"""The channel of a worker to its viewer: lines of JSON, apart from what the plugin reads and prints."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import TextIOWrapper
from typing import Any

from rae_auto.toolkit.secrets.masking import mask_known_secrets


class Channel:
    """Standard input and output of this process; the plugin gets an empty input, and standard error as its output."""

    def __init__(self) -> None:
        """Take over the streams of this process."""
        self._reading = os.fdopen(os.dup(0), encoding="utf-8")
        self._writing = os.fdopen(os.dup(1), "w", encoding="utf-8")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(line_buffering=True, errors="backslashreplace")

    def send(self, kind: str, body: Any = None) -> None:
        """Send a message, without the secrets that are known."""
        self._write(json.dumps({"kind": kind, "body": _mask(body)}))

    def send_secrets(self, secrets: list[str]) -> None:
        """Send what the viewer has to mask in what the plugin prints."""
        self._write(json.dumps({"kind": "secrets", "body": secrets}))

    def receive(self) -> Mapping[str, Any] | None:
        """Return the next message; None if the viewer is gone."""
        line = self._reading.readline()
        return json.loads(line) if line else None

    def follow(self, handle: Callable[[Mapping[str, Any]], object], end: Callable[[], object]) -> None:
        """Handle each message that comes, and end with the viewer. Runs in a thread of its own."""
        with suppress(OSError, ValueError):
            while (message := self.receive()) is not None:
                handle(message)
        end()

    def _write(self, line: str) -> None:
        with suppress(BrokenPipeError):
            self._writing.write(f"{line}\n")
            self._writing.flush()


def _mask(value: Any) -> Any:
    if isinstance(value, str):
        return mask_known_secrets(value)
    if isinstance(value, dict):
        return {key: _mask(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask(item) for item in value]
    return value
