"""Adapters of the platforms: each reports the states that its platform shows. `platform.py` picks one."""
