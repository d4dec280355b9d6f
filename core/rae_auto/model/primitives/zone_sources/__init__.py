"""Sources of time zones beside their names: the machine's settings, rules in the form of POSIX, and files."""
