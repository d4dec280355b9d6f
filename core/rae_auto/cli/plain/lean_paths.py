"""pathlib without what it needs for URLs alone: 0.6 MB of a daemon, and 2 ms of each command."""

from importlib import import_module

from rae_auto.toolkit.threads.stand_ins import LateModule, import_with_stand_ins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def import_paths() -> None:
    """Import pathlib. Call it before anything else has."""
    import_with_stand_ins("pathlib", LateModule("urllib.parse", quote_from_bytes=_quote_from_bytes))


def _quote_from_bytes(*args: "Any", **kwargs: "Any") -> str:
    quoted: str = import_module("urllib.parse").quote_from_bytes(*args, **kwargs)
    return quoted
