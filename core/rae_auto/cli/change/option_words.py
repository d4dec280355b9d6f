"""Remedies that name keys of a configuration, in the words of the options of `rae-auto add`."""

import re

_PHRASES = (
    (re.compile(r'schedule = ("[^"]*") and shell = ("[^"]*")'), r"--schedule \1 --shell \2"),
    (re.compile(r'(?:trigger = )?\{ type = "interval", every = "([^"]*)" \}'), r"--every \1"),
    (re.compile(r'(?:trigger = )?\{ type = "once", at = ("[^"]*") \}'), r"--at \1"),
    (re.compile(r"trigger = (\{[^{}]*\})"), r"--trigger '\1'"),
    (re.compile(r'\b(schedule|timeout|overlap|priority|guard_timeout|shell|script|cwd) = ("[^"]*")'), r"--\1 \2"),
)


def to_options(message: str) -> str:
    """Return a message about a job whose remedy names options: `write --every 5m` for `write trigger = { … }`."""
    problem, separator, hint = message.rpartition("; ")
    for pattern, words in _PHRASES:
        hint = pattern.sub(words, hint)
    return f"{problem}{separator}{hint.replace('--guard_timeout', '--guard-timeout')}"
