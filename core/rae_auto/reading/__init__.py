"""The sources that screens read from: a running daemon, or else its store. `open_records` chooses."""
