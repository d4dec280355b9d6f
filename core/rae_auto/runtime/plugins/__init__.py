"""Plugins at work: guards that are read, and files that plugins have read."""
