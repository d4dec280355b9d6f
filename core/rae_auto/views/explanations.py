"""Explanations, as `rae-auto why` shows them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rae_auto.model.primitives.escaping import escape_line

MIN_REPETITION = 60
"""Characters from which on a fact that the answer contains word for word is not shown a second time."""


def explanation_lines(explanation: Mapping[str, Any]) -> list[str]:
    """Return the answer, and a line for each fact behind it that it doesn't contain."""
    facts = [f"  {escape_line(subject)}: {escape_line(text)}" for subject, text in list_further_facts(explanation)]
    return [escape_line(explanation["answer"]), *facts]


def list_further_facts(explanation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return subject and text of the facts behind an answer; not of one that the answer has word for word.

    A short one may be there by chance, unless it is the reason that the answer ends with.
    """
    facts = [(fact["subject"], fact["text"]) for fact in explanation["facts"]]
    answer = explanation["answer"]
    return [
        (subject, text)
        for subject, text in facts
        if not answer.endswith(f": {text}") and (len(text) < MIN_REPETITION or text not in answer)
    ]


def check_lines(explanation: Mapping[str, Any]) -> list[str]:
    """Return the answer, and the tree of checks with a line for each: its result, its name, its text.

    A check that was not made has a "-" in place of its result.
    """
    return [escape_line(explanation["answer"]), *_lines_of(explanation["checks"], 1)]


def _lines_of(checks: Iterable[Mapping[str, Any]], depth: int, *, is_made: bool = True) -> Iterator[str]:
    for check in checks:
        is_known = is_made and not (check["result"] == "unknown" and check.get("is_routine"))
        result = check["result"] if is_known else "-"
        yield f"{'  ' * depth}{result:7}  {escape_line(check['name'])}: {escape_line(check['text'])}"
        yield from _lines_of(check["children"], depth + 1, is_made=is_known)
