"""How many requests an endpoint takes."""


class Bucket:
    """A token bucket: so many a minute in the long run, and as many at once. The time is any monotonic clock's."""

    def __init__(self, per_minute: int) -> None:
        self._size = float(per_minute)
        self._left = self._size
        self._at = 0.0

    def take(self, now: float) -> float:
        """0.0 where one more may pass, which is then counted; else the seconds until one may."""
        refill = self._size / 60
        self._left = min(self._left + max(now - self._at, 0.0) * refill, self._size)
        self._at = max(now, self._at)
        if self._left < 1:
            return (1 - self._left) / refill
        self._left -= 1
        return 0.0
