"""The trace that a run belongs to, as W3C Trace Context has it: the variable TRACEPARENT of its attempts.

https://www.w3.org/TR/trace-context/#traceparent-header

All of it follows from the id of the run, so that nothing has to be stored, and an attempt that is adopted or repeated
has the same trace. A run whose event has a `traceparent` belongs to the trace of that: the end of a run has one, so the
jobs that follow a run belong to its trace, and so do those after them.
"""

import re
from collections.abc import Mapping
from typing import Any

from rae_auto.model.primitives.names import digest

TRACE_VARIABLE = "TRACEPARENT"
EVENT_KEY = "traceparent"
"""The key in the data of an event."""

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
"""A value of any version: those to come may have more parts at the end, the present one may not."""
_LENGTH_OF_VERSION_0 = 55
_IS_RECORDED = 1
"""The one flag: the parts of the trace are to be recorded. It is set for a trace that begins here."""


def traceparent_of(run: str, attempt: int, event: Mapping[str, Any] | None) -> str:
    """Return the `traceparent` for whatever an attempt of a run starts, by its id and its event."""
    known = (event or {}).get(EVENT_KEY)
    found = _TRACEPARENT.fullmatch(known) if isinstance(known, str) else None
    trace, flags = digest(run, 16).hex(), _IS_RECORDED
    if found is not None and not (found[0].startswith("00-") and len(found[0]) > _LENGTH_OF_VERSION_0):
        trace, flags = found[1], int(found[2], 16) & _IS_RECORDED
    return f"00-{trace}-{digest(f'{run} {attempt}', 8).hex()}-{flags:02x}"
