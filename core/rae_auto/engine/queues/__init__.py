"""What waits in the engine: runs for a slot, and notices for their delivery."""
