"""The settings that the daemon gives the helper at its start, as JSON in an argument."""

import json
from typing import Any, NamedTuple


class ClusterSettings(NamedTuple):
    """One cluster, and where files are."""

    scheduler: str
    claims: str
    """The folder of the claims, on this machine."""
    directory: str
    """The folder of runs, on the machines of workers."""
    lease_seconds: float

    def to_text(self) -> str:
        """Return it as text."""
        return json.dumps(self)

    @classmethod
    def from_text(cls, text: str) -> "ClusterSettings":
        """Return what `to_text` has made text of."""
        values: list[Any] = json.loads(text)
        return cls(*values)
