"""Readings of the machine that several plugins share."""
