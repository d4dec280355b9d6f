"""Threads of the daemon and of commands: their start, their memory, and a limit for what they call."""
