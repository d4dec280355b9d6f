"""Trials of each kind of plugin."""
