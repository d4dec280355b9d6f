"""A store that several daemons share: the leader, stand-bys, and attempts on other nodes."""
