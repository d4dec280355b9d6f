"""Reading output files: whole lines from an offset on, when they came, and which of them match."""
