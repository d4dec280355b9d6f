"""Where screens read: from the daemon that runs, or else from its store. `open_records` chooses."""
