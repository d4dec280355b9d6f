"""Frozen values that the rest of rae-auto works with. No clock, no I/O, no decisions."""
