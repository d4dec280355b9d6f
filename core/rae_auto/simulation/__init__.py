"""Virtual time: the engine played without a machine. Begin with `world.py`."""
