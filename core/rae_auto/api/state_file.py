"""A small document that a source keeps over restarts: whole or absent, and for the owner alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rae_auto.api.files import private_directory, write_whole


class StateFile:
    """One JSON object in a file of a source's directory. Calls block on the disk: a few milliseconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: str | None = None
        """Why what was there could not be read, if so; the file was put aside."""

    def read(self) -> dict[str, Any] | None:
        """What was written last, or None where there is nothing; a damaged file is put aside as `*.corrupt`."""
        try:
            found = json.loads(self.path.read_bytes())
            if not isinstance(found, dict):
                raise ValueError("it is no JSON object")
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            aside = self.path.with_name(f"{self.path.name}.corrupt")
            self.path.replace(aside)
            self.damage = f"{self.path} is damaged ({error}); it begins anew, and what was there is kept in {aside}"
            return None
        return found

    def write(self, document: Mapping[str, Any]) -> None:
        """Put the document in the place of the last one, durably."""
        if not self.path.parent.is_dir():
            private_directory(self.path.parent)
        write_whole(self.path, json.dumps(document, separators=(",", ":")).encode())
