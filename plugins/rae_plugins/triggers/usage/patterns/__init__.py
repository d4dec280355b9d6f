"""Patterns, one class each: their options, and the pure functions that look for them."""
