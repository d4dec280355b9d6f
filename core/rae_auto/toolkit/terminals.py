"""Colors for terminals that show them, plain text for everything else."""

import os
from typing import Protocol


class Stream(Protocol):
    """A stream of output, as far as it matters here."""

    def isatty(self) -> bool: ...


def can_color(stream: Stream) -> bool:
    """Return whether lines on a stream may be colored: it is a terminal that can, and NO_COLOR isn't set.

    Source: https://no-color.org, by which an empty value counts as absent.
    """
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
