"""The engine in real time: the public scheduler, and what carries out its decisions. Begin with `scheduler.py`."""

from loguru import logger

_QUIET_PACKAGES = ("rae_auto.daemon", "rae_auto.offline", "rae_auto.registry", "rae_auto.runtime")


def silence_library() -> None:
    """Log nothing: a library stays silent in a program, unless that program calls `logger.enable("rae_auto")`."""
    for package in _QUIET_PACKAGES:
        logger.disable(package)


silence_library()
