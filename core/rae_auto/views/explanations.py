"""Explanations, as `rae-auto why` shows them."""

from collections.abc import Mapping
from typing import Any

from rae_auto.views.escaping import visible_line


def explanation_lines(explanation: Mapping[str, Any]) -> list[str]:
    """Return the answer, and a line for each fact behind it."""
    facts = [f"  {visible_line(fact['subject'])}: {visible_line(fact['text'])}" for fact in explanation["facts"]]
    return [visible_line(explanation["answer"]), *facts]
