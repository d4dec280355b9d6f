"""Secrets by reference: where a text names one, and what reads it."""
