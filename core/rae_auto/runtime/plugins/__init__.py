"""Reading guards, and following the files that plugins have read."""
