"""The engine in virtual time: forecasts, differences, contention. Begin with `virtual_engine.py`."""
