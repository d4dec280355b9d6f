"""Helpers for plugin authors: files, state files, validators."""
