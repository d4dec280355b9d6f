"""Answers to requests about the daemon, its jobs and its records, as JSON values."""
