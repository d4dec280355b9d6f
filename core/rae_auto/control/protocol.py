"""What both ends of the control socket know."""

MAX_LINE = 128 << 10
"""Bytes of a request: the data of an event, with room for what is around it."""
