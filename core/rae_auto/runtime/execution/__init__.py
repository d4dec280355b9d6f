"""Attempts: what executors are given, and how their work is followed."""
