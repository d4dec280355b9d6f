"""A trigger in a few words, for lists and for `why`."""

from collections.abc import Mapping
from datetime import timedelta

from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.model.primitives.units import format_duration, parse_duration

_MAIN = ("expression", "paths", "path", "pattern", "metric", "command", "jobs", "on", "at", "every")
"""Options of which the first that there is says most about a trigger, whosesoever it is."""

_BESIDE = ("of", "on", "above", "below", "process", "application", "for", "all", "any", "sequence")
"""Options that say the rest, each after its name."""

_LONGEST_TEXT = 80


def trigger_summary(ref: TriggerRef) -> str:
    """Return a trigger in a few words: its type and its main options."""
    if ref.type == "interval" and "every" in ref.options:
        return f"every {format_duration(parse_duration(ref.options['every']))}"
    main = next((name for name in _MAIN if ref.options.get(name)), None)
    words = [ref.type, _words(ref.options[main])] if main else [ref.type]
    words += [f"{name} {_words(ref.options[name])}" for name in _BESIDE if name != main and ref.options.get(name)]
    text = " ".join(filter(None, words))
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def _words(value: object) -> str:
    """Return the text of an option's value."""
    if isinstance(value, Mapping):
        return str(value.get("type", ""))
    if isinstance(value, timedelta):
        return format_duration(value)
    return ", ".join(map(_words, value)) if isinstance(value, list | tuple) else str(value)
