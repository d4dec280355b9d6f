"""A store that several daemons use: who leads, who stands by, and what becomes of attempts on other nodes."""
