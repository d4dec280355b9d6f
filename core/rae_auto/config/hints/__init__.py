"""Hints for people who write a configuration: words of other tools, and values of another shape."""
