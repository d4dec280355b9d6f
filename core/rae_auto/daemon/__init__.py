"""The daemon process: `rae-auto run`. Begin with `daemon.py`."""
