"""Checks of a configuration beyond its errors: what is likely to fail, or not to mean what it says, on this machine."""
