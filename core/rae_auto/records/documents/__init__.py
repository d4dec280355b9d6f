"""Documents as a store has them, one by one or in lists."""
