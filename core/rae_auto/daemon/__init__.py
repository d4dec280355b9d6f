"""The shell around the engine: the daemon, and the scheduler inside of a program."""

from loguru import logger

# Inside of a program a library keeps quiet, unless that says logger.enable("rae_auto.daemon").
logger.disable("rae_auto.daemon")
