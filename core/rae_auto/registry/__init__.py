"""Plugins: indexed without importing, loaded by name. Begin with `registry.py`."""

from rae_auto.registry.index import PluginInfo, State
from rae_auto.registry.registry import Registry

__all__ = ["PluginInfo", "Registry", "State"]
