"""The files of a configuration."""
