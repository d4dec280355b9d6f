"""The engine in real time: the public scheduler, and what carries out its decisions. Begin with `scheduler.py`."""

from loguru import logger

# A library stays silent in a program, unless that program calls logger.enable("rae_auto").
logger.disable("rae_auto")
