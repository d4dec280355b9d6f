"""Shared parts of executors whose attempts run on other machines; `host` is the part that runs there."""
