"""Plugins of each kind at work."""
