"""The program that is sent to a worker, once for each: the relay, and with it the keeper's code."""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from rae_plugins.executors.remote.bundle import build_bundle

REMOTE_PACKAGE = "rae_executor_dask.remote"


class RelayProgram:
    """The text of the relay and its settings, and the name of the operation that it serves, which is theirs."""

    def __init__(self, directory: str, lease_seconds: float) -> None:
        """Have runs in `directory`, and leases of `lease_seconds`."""
        bundle = build_bundle(REMOTE_PACKAGE)
        source = (files(REMOTE_PACKAGE) / "relay.py").read_text(encoding="utf-8")
        self.text = f"{source}\n\ninstall(ADDRESS, OPERATION, SETTINGS)\n"
        digest = hashlib.sha256(f"{self.text}{bundle.digest}{directory}{lease_seconds}".encode()).hexdigest()
        self.operation = f"rae_auto_{digest[:16]}"
        """Relays of several daemons, also of other versions, are served beside each other."""
        self._settings = {
            "directory": directory,
            "lease": lease_seconds,
            "name": bundle.name,
            "digest": bundle.digest,
            "bundle": base64.b64encode(bundle.content).decode(),
        }

    def describe(self, address: str) -> dict[str, Any]:
        """Return the names that the text needs on the worker at `address`."""
        return {
            "__name__": "rae_auto_relay",
            "ADDRESS": address,
            "OPERATION": self.operation,
            "SETTINGS": self._settings,
        }
