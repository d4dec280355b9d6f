"""Summaries of plugins: a few words in one line, for lists and for `why`."""

from rae_auto.api.summaries import MAX_SUMMARY_LENGTH, named, summarize, summarize_options

__all__ = ["MAX_SUMMARY_LENGTH", "named", "summarize", "summarize_options"]
