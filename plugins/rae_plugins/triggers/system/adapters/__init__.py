"""Adapters of the platforms: each reports what its platform can tell. `platform.py` picks one."""
