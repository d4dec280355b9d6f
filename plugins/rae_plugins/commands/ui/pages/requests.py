"""Parameters of addresses, checked."""

import re

from starlette.requests import Request

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote

MAX_NUMBER = 1 << 53

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
"""Python would take "1_000" and digits of other scripts too, which no address of ours has."""


def number(request: Request, name: str, default: int, *, low: int = 0, high: int = MAX_NUMBER) -> int:
    """Return a whole number of the query, or the default if it isn't given. Raises BadRequest."""
    found = optional_number(request, name, low=low, high=high)
    return default if found is None else found


def optional_number(request: Request, name: str, *, low: int = 0, high: int = MAX_NUMBER) -> int | None:
    """Return a whole number of the query, or None if it isn't given. Raises BadRequest."""
    text = request.query_params.get(name) or None
    if text is None:
        return None
    found = int(text) if _WHOLE_NUMBER.fullmatch(text) else None
    if found is None or not low <= found <= high:
        limits = f"from {_limit(low)} to {_limit(high)}" if high < MAX_NUMBER else f"of at least {_limit(low)}"
        raise BadRequest(f"{name} must be a whole number {limits}, not {quote(text[:40])}")
    return found


def find_previous_offset(offset: int, size: int, total: int) -> int:
    """Return where the part before this one begins; behind the end that is the last part that has something."""
    last = max(total - 1, 0) // size * size
    return max(min(offset - size, last), 0)


def _limit(number: int) -> str:
    """Return a limit as it may be written in an address; a long one is easier to read in groups."""
    return str(number) if abs(number) < 10_000 else f"{number:,}"


def optional_text(request: Request, name: str, *, limit: int = 1_000) -> str | None:
    """Return a text of the query, or None if it isn't given or empty. Raises BadRequest if it is too long."""
    text = request.query_params.get(name) or None
    if text is not None and len(text) > limit:
        raise BadRequest(f"{name} is longer than {limit:,} characters")
    return text


def is_set(request: Request, name: str) -> bool:
    """Return whether a flag of the query is set."""
    return request.query_params.get(name, "") in ("1", "true", "yes", "on")
