"""Changed copies of frozen values."""
