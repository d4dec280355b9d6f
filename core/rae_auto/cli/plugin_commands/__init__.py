"""Subcommands that plugins add. Begin with `command.py`."""
