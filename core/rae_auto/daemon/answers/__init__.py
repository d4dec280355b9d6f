"""Answers to questions about the daemon, its jobs and its records, as JSON values."""
