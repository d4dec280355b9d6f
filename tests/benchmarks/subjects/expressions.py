"""Different cron expressions, for the line of that name."""

from datetime import UTC, datetime

FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def expression(number: int) -> str:
    """Return one of 86,400 expressions."""
    return f"{number % 60} {number // 60 % 24} {'*' if number < 1440 else number // 1440 % 28 + 1} * *"
