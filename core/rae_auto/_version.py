"""The version, as the distribution says it; here it costs no search through metadata."""

__version__ = "0.1.0"
