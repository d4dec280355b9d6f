"""The settings that the daemon gives the helper at its start, as JSON in an argument."""

import json
from typing import Any, NamedTuple


class TlsFiles(NamedTuple):
    """Files in PEM format for an encrypted connection; without them Dask's own configuration counts."""

    ca: str
    """The authority that signed the certificates of the cluster."""
    cert: str
    """The certificate of the daemon, which the cluster checks too."""
    key: str | None
    """Its key; None if the certificate's file has it."""


class ClusterSettings(NamedTuple):
    """One cluster, and where files are."""

    scheduler: str
    claims: str
    """The folder of the claims, on this machine."""
    directory: str
    """The folder of runs, on the machines of workers."""
    lease_seconds: float
    tls: TlsFiles | None = None

    def to_text(self) -> str:
        """Return it as text."""
        return json.dumps(self)

    @classmethod
    def from_text(cls, text: str) -> "ClusterSettings":
        """Return what `to_text` has made text of."""
        *values, tls = json.loads(text)
        made: list[Any] = [*values, None if tls is None else TlsFiles(*tls)]
        return cls(*made)
