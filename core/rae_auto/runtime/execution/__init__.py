"""Attempts: the assignments for executors, and the tracking of their work."""
