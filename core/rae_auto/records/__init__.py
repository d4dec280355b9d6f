"""What can be read from a store: runs, events, statistics, backup files."""
