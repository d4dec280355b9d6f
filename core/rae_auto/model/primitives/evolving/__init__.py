"""Frozen values: changed copies of them, and their conversion to documents."""
