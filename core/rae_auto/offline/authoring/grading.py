"""Grades of installed plugins, or of a project's folder, and the badge that shows one."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from rae_auto.offline.authoring.checking import find_target, inspect_within_limit, quiet_output
from rae_auto.offline.authoring.evidence import find_project, gather_evidence
from rae_auto.offline.authoring.suite_runs import TestRun, run_tests
from rae_auto.registry.index import PluginInfo
from rae_auto.registry.inspection.grade_report import GradeReport, compute_grade
from rae_auto.registry.inspection.grades import Grade

COLORS = {Grade.BRONZE: "#a0622d", Grade.SILVER: "#6b7280", Grade.GOLD: "#8a6d00", Grade.PLATINUM: "#3a5a78"}
NO_GRADE_COLOR = "#b3261e"

_BADGE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{word}">
<title>rae-auto: {word}</title>
<rect width="62" height="20" fill="#444"/><rect x="62" width="{right}" height="20" fill="{color}"/>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="31" y="14">rae-auto</text><text x="{middle}" y="14">{word}</text></g>
</svg>
"""


def grade_all(word: str | None, *, with_tests: bool = False) -> list[GradeReport]:
    """Return the grades of all plugins that a word means, as `find_target` has it."""
    with quiet_output():
        return grade_plugins(find_target(word).infos, with_tests=with_tests)


def grade_plugins(
    infos: Sequence[PluginInfo],
    *,
    with_tests: bool = False,
    without: Collection[str] = (),
    recorded: Mapping[str, TestRun] = MappingProxyType({}),
) -> list[GradeReport]:
    """Return the grades of plugins by all rules but those `without`.

    `recorded` has results of tests by kind and name, as in "trigger cron", where they don't run now.
    """
    # All are imported before anything is read about one, which would add to the time that the imports take.
    inspections = [inspect_within_limit(info) for info in infos]
    reports = []
    for one in inspections:
        project = find_project(one.info.module.partition(":")[0])
        tested = _run_tests(project) if with_tests and project is not None else recorded.get(_key(one.info))
        reports.append(compute_grade(gather_evidence(one, tested), frozenset(without)))
    return reports


def _key(info: PluginInfo) -> str:
    return f"{info.kind} {info.name}"


@lru_cache
def _run_tests(project: Path) -> TestRun:
    """Return the result of a project's tests; they run once for all of its plugins."""
    return run_tests(project)


def lowest_grade(reports: Sequence[GradeReport]) -> Grade | None:
    """Return the lowest grade; None if a plugin has none, or no plugins are given."""
    grades = [report.grade for report in reports]
    reached = [grade for grade in grades if grade is not None]
    return min(reached, key=list(Grade).index) if reached and len(reached) == len(grades) else None


def draw_badge(grade: Grade | None) -> str:
    """Return a badge in SVG with the grade, or "no grade"."""
    word = str(grade or "no grade")
    right = 14 + 7 * len(word)
    color = NO_GRADE_COLOR if grade is None else COLORS[grade]
    return _BADGE.format(width=62 + right, right=right, middle=62 + right / 2, word=word, color=color)
