"""The configuration file: reading, checking, and its JSON Schema.

The names are imported on first use, so that commands that need no configuration start fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rae_auto.config.loading import Config as Config
    from rae_auto.config.loading import Report as Report
    from rae_auto.config.loading import check as check
    from rae_auto.config.loading import load as load
    from rae_auto.config.loading import load_usable_part as load_usable_part

__all__ = ["Config", "Report", "check", "load", "load_usable_part"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rae_auto.config' has no attribute {name!r}")
    from rae_auto.config import loading

    return getattr(loading, name)
