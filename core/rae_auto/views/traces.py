"""The trace of triggers, as `rae-auto test-trigger` shows it."""

import json
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, Protocol

from rae_auto.model.primitives.escaping import escape_line

MAX_LINE_CHARACTERS = 400


class Trace(Protocol):
    """One line of a trace."""

    @property
    def at(self) -> datetime: ...
    @property
    def trigger(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def text(self) -> str: ...
    @property
    def event(self) -> Mapping[str, Any] | None: ...


def trace_record(trace: Trace) -> dict[str, Any]:
    """Return the JSON of a line, for users."""
    return {
        "at": trace.at.isoformat(timespec="milliseconds"),
        "trigger": trace.trigger,
        "kind": trace.kind,
        "key": trace.key,
        "text": trace.text,
        "event": trace.event,
    }


def trace_line(trace: Trace, zone: tzinfo) -> str:
    """Return one line for a person, by the clock of a zone, shortened if it is long."""
    event = "" if trace.event is None else json.dumps(trace.event, ensure_ascii=False)
    kind = "" if trace.kind == "traces" else trace.kind
    text = escape_line(f"{trace.trigger}: {' '.join(filter(None, (kind, trace.key, event, trace.text)))}")
    shown = text if len(text) <= MAX_LINE_CHARACTERS else text[:MAX_LINE_CHARACTERS] + "…"
    return f"{trace.at.astimezone(zone).replace(tzinfo=None).isoformat(' ', 'milliseconds')}  {shown}"
