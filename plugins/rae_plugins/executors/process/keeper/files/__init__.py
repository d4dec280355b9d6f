"""Files of attempts: output and its times, records, and files that are ready for output."""
