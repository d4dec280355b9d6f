"""Reports to observers: log lines, the event stream, notifications."""
