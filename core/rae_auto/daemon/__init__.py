"""The daemon process: `rae-auto run`. Begin with `daemon.py`."""

from loguru import logger

# A library stays silent in a program, unless that program calls logger.enable("rae_auto").
logger.disable("rae_auto")
