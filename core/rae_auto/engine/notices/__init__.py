"""Notices: which events people are notified of, when, and the outbox in which notices wait for their delivery."""
