"""Parts that the suites share: jobs, a child process that is killed, and checks for what a test leaves behind."""
