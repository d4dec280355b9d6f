"""The command plugins grade: how far a plugin can be relied on, by rules."""

from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.tables import print_json


@click.command("grade")
@click.argument("target", required=False, metavar="[PATH | NAME]")
@click.option("--run-tests", is_flag=True, help="Run the tests of its project too, and count the branches they take.")
@click.option(
    "--badge",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the lowest grade to this file, as a badge in SVG.",
)
@options.as_json
def grade_command(target: str | None, run_tests: bool, badge: Path | None, json_: bool) -> None:
    """Grade plugins by rules: bronze, silver, gold or platinum, and what to change for the next grade.

    Each rule has passed, has failed, or was not checked, which doesn't count as passed. The rules are on the page
    "Grades of plugins".

    Example: rae-auto plugins grade rae-trigger-inbox --run-tests
    """
    from rae_auto.offline.authoring.grading import draw_badge, grade_all, lowest_grade

    reports = grade_all(target, with_tests=run_tests)
    if badge is not None:
        try:
            badge.write_text(draw_badge(lowest_grade(reports)), encoding="utf-8")
        except OSError as error:
            raise click.FileError(str(badge), error.strerror or str(error)) from None
    if json_:
        print_json([_describe(report) for report in reports])
        return
    for report in reports:
        info = report.evidence.inspection.info
        click.echo(escape_line(f"{info.kind} {info.name} of {info.provenance}: {report.describe()}"))
        for rule, verdict in report.verdicts:
            click.echo(escape_line(f"  {rule.grade:8}  {rule.name:9}  {verdict.outcome:11}  {verdict.text}"))


def _describe(report: Any) -> dict[str, Any]:
    info = report.evidence.inspection.info
    return {
        "kind": info.kind,
        "name": info.name,
        "distribution": info.distribution,
        "version": info.version,
        "grade": report.grade,
        "next_grade": report.next_grade,
        "text": report.describe(),
        "rules": [
            {"name": rule.name, "grade": rule.grade, "outcome": verdict.outcome, "text": verdict.text}
            for rule, verdict in report.verdicts
        ],
    }
