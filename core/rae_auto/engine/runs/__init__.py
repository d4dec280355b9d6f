"""Runs on their way: admitted, waiting, dispatched, attempted, retried, over."""
