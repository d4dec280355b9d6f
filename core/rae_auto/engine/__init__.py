"""The pure part: events in, changes and effects out. Begin with `engine.py`."""
