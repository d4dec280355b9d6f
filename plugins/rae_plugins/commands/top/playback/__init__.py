"""The playback of the coming month, and the process that simulates it."""
