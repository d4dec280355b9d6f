"""Help for a person at a terminal: the first screen, completion, an editor."""
