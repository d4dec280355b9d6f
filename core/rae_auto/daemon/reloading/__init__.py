"""The configuration of a running daemon: what is in use, what was edited since, and how it is read again."""
