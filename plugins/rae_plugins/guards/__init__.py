"""Built-in guards."""
