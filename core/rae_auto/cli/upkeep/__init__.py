"""Commands for what a daemon leaves on the disk: its log, its history, the output of runs."""
