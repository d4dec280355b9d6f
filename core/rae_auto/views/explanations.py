"""Explanations, as `rae-auto why` shows them."""

from collections.abc import Mapping
from typing import Any

from rae_auto.model.primitives.escaping import escape_line


def explanation_lines(explanation: Mapping[str, Any]) -> list[str]:
    """Return the answer, and a line for each fact behind it."""
    facts = [f"  {escape_line(fact['subject'])}: {escape_line(fact['text'])}" for fact in explanation["facts"]]
    return [escape_line(explanation["answer"]), *facts]
