"""Queues of the engine: runs that wait for a slot, and notices that wait for their delivery."""
