"""The clocks of the runtime: the one module that reads them, and timers for sources."""
