"""Frozen values: what the rest of rae-auto talks about. No clock, no I/O, no decisions."""
