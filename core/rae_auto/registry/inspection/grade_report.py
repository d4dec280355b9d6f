"""The grade of a plugin: that of the rules which have passed, and of all below it."""

from collections.abc import Sequence

from attrs import frozen

from rae_auto.registry.inspection.grades import GRADE_RULES, Evidence, Grade, GradeRule, RuleOutcome, RuleVerdict


@frozen
class GradeReport:
    """Grade of a plugin, None below bronze, with the verdict of each rule."""

    evidence: Evidence
    grade: Grade | None
    verdicts: Sequence[tuple[GradeRule, RuleVerdict]]

    @property
    def next_grade(self) -> Grade | None:
        """The lowest grade that was not reached, if there is one."""
        grades = list(Grade)
        reached = -1 if self.grade is None else grades.index(self.grade)
        return grades[reached + 1] if reached + 1 < len(grades) else None

    def describe(self) -> str:
        """Return the grade in plain words, as in "silver; gold failed: examples"."""
        word = str(self.grade) if self.grade else "no grade"
        if (above := self.next_grade) is None:
            return word
        parts = []
        for outcome in (RuleOutcome.FAILED, RuleOutcome.NOT_CHECKED):
            names = [rule.name for rule, one in self.verdicts if rule.grade is above and one.outcome is outcome]
            parts += [f"{above} {outcome}: {', '.join(names)}"] if names else []
        return f"{'up to ' if self.grade else ''}{word}; {'; '.join(parts)}"


def compute_grade(evidence: Evidence, without: frozenset[str] = frozenset()) -> GradeReport:
    """Return the grade of a plugin by all rules but those `without`, by their names."""
    verdicts, reached = [(rule, rule.check(evidence)) for rule in GRADE_RULES if rule.name not in without], None
    for grade in Grade:
        if any(rule.grade is grade and one.outcome is not RuleOutcome.PASSED for rule, one in verdicts):
            break
        reached = grade
    return GradeReport(evidence, reached, verdicts)
