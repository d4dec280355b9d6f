"""Reading a store: runs, events, statistics, backup files."""
