"""The options of a runtime."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from attrs import frozen

from rae_auto.api.plugin import PluginSource
from rae_auto.api.store import Store
from rae_auto.engine.plan import Settings
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import Retention
from rae_auto.runtime.time.clock import Clock


@frozen(kw_only=True)
class RuntimeOptions:
    """The options of a runtime. `jobs` are those of a configuration; others come from the store."""

    directory: Path
    store: str | PluginRef | Store
    timezone: str
    settings: Settings
    shutdown_grace: timedelta
    retention: Retention
    jobs: tuple[Job, ...]
    notifiers: Mapping[str, PluginRef]
    clock: Clock
    plugins: PluginSource
    environment: Mapping[str, str]
    """Variables of which jobs inherit some."""
