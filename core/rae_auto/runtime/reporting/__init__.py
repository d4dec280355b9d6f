"""What observers get to know: log lines, the event stream, notifications."""
