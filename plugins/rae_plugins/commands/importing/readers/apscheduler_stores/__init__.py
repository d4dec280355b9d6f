"""Job stores of APScheduler 3 in a database, read without running anything of them."""
