"""Help for a person at a terminal: the first screen, completion, an editor, runs named by the start of an id."""
