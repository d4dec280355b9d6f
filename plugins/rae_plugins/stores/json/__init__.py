"""Keeps state in files that a person can read: snapshots, a journal of commits, and history."""

from rae_auto.api.store import Store
from rae_auto.hookspecs import hookimpl
from rae_plugins.stores.json.store import JsonStore


@hookimpl
def rae_stores() -> list[type[Store]]:
    """The JSON store."""
    return [JsonStore]
