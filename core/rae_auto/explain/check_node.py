"""One check of the engine, and what it found: the pieces of the tree behind an explanation."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import frozen


class CheckResult(StrEnum):
    """The result of a check: it lets the job run, it forbids or delays that, or it is unknown."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@frozen
class ExplanationFact:
    """One fact of an explanation."""

    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}"


@frozen
class CheckNode:
    """One check, and the checks that it is made of.

    At the top stand "trigger", "decision", "start" and "attempts". A decision is made of "catch_up", "usable",
    "enabled", "paused", "skip", "overlap", "queue", "needs", "guards" and "feedback_loop", a start of "delay",
    "parallel", "usable", "enabled", "paused", "overlap", "needs", "resources" and "guards", each in the order in which
    the engine checks them. Below them stand their parts: triggers, needed jobs, guards and attempts by their names.
    """

    name: str
    result: CheckResult
    text: str
    reason: str | None = None
    """The code of the reason that the check gave, which docs/reasons.md explains; None if it gave none."""
    children: tuple["CheckNode", ...] = ()
    facts: tuple[ExplanationFact, ...] = ()
    """Numbers and times that the check went by, as far as they are on record."""
    is_routine: bool = False
    """True for a check that passed, or was not reached, and has nothing to say beyond that."""

    @property
    def notable(self) -> tuple["CheckNode", ...]:
        """The children that say something, which a reader looks for first."""
        return tuple(child for child in self.children if not child.is_routine)

    @property
    def routine(self) -> Mapping[str, tuple["CheckNode", ...]]:
        """The other children, by words such as "passed": a view shows their names alone, or folds them."""
        found = {
            words: tuple(child for child in self.children if child.is_routine and child.result is result)
            for result, words in _ROUTINE.items()
        }
        return {words: children for words, children in found.items() if children}

    def record(self) -> dict[str, Any]:
        """Return the JSON of it."""
        return {
            "name": self.name,
            "result": self.result.value,
            "text": self.text,
            "reason": self.reason,
            "is_routine": self.is_routine,
            "facts": [{"subject": fact.subject, "text": fact.text} for fact in self.facts],
            "children": [child.record() for child in self.children],
        }


def node_of(record: dict[str, Any]) -> CheckNode:
    """Return the check of a record."""
    children = tuple(map(node_of, record["children"]))
    facts = tuple(ExplanationFact(fact["subject"], fact["text"]) for fact in record["facts"])
    result, is_routine = CheckResult(record["result"]), record.get("is_routine", False)
    return CheckNode(record["name"], result, record["text"], record["reason"], children, facts, is_routine)


_ROUTINE: Mapping[CheckResult, str] = {CheckResult.YES: "passed", CheckResult.UNKNOWN: "not checked"}
