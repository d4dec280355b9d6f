"""Explanations, as `rae-auto why` shows them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rae_auto.model.primitives.escaping import escape_line


def explanation_lines(explanation: Mapping[str, Any]) -> list[str]:
    """Return the answer, and a line for each fact behind it."""
    facts = [f"  {escape_line(fact['subject'])}: {escape_line(fact['text'])}" for fact in explanation["facts"]]
    return [escape_line(explanation["answer"]), *facts]


def check_lines(explanation: Mapping[str, Any]) -> list[str]:
    """Return the answer, and the tree of checks with a line for each: its result, its name, its text."""
    return [escape_line(explanation["answer"]), *_lines_of(explanation["checks"], 1)]


def _lines_of(checks: Iterable[Mapping[str, Any]], depth: int) -> Iterator[str]:
    for check in checks:
        yield f"{'  ' * depth}{check['result']:7}  {escape_line(check['name'])}: {escape_line(check['text'])}"
        yield from _lines_of(check["children"], depth + 1)
