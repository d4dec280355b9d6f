"""Sources that report the use of applications, and idle periods."""
