"""Measurements that take minutes to hours: a soak, and how cost grows."""
