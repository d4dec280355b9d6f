"""The kernel's report on whether the clock is synchronized."""

import sys

_TIMEX_BYTES = 512
"""More than a `struct timex` has on any machine; all zeros ask for the state alone."""

_TIME_ERROR = 5
"""The answer of adjtimex(2) for a clock that is not synchronized."""


def is_clock_synchronized() -> bool | None:
    """Return whether the clock is synchronized, by adjtimex(2); None where that can't be known."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes  # lazy: memory, asked for rarely

    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)
