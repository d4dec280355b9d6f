"""Rate limit of an endpoint."""


class TokenBucket:
    """A token bucket: a number of requests per minute in the long run, and as many at once, by any monotonic clock."""

    def __init__(self, per_minute: int) -> None:
        self._capacity = float(per_minute)
        self._tokens = self._capacity
        self._updated_at = 0.0

    def try_take(self, now: float) -> float:
        """Count a request and return 0.0 if it may pass; otherwise return the seconds until one may."""
        tokens_per_second = self._capacity / 60
        self._tokens = min(self._tokens + max(now - self._updated_at, 0.0) * tokens_per_second, self._capacity)
        self._updated_at = max(now, self._updated_at)
        if self._tokens < 1:
            return (1 - self._tokens) / tokens_per_second
        self._tokens -= 1
        return 0.0
