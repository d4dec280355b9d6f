"""The commands plugins new and check, for those who write plugins."""

from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.cli.plugins.listing import KINDS
from rae_auto.cli.usage import OneOf
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_count
from rae_auto.views.tables import print_json

FLAVOURS = ("trigger:source", "trigger:pattern", "guard:computed")


@click.command("new")
@click.argument("kind", type=OneOf((*KINDS, *FLAVOURS)), metavar="KIND")
@click.argument("name")
@click.option("--description", default="One line that says what it does.", help="What the plugin does, in one line.")
@click.option("--author", help="The name of the author; by default that of git.")
@click.option(
    "--into", type=click.Path(path_type=Path), default=Path(), help="The folder in which the project is made."
)
def new_command(kind: str, name: str, description: str, author: str | None, into: Path) -> None:
    """Make the project of a plugin that works: class, entry point, tests, license, and workflows for CI.

    The kinds are trigger, executor, store, logger, notifier, guard and command. A trigger is a schedule, a guard
    one that reads the machine; trigger:source, trigger:pattern and guard:computed make the others.

    Example: rae-auto plugins new trigger:source inbox --description "Fires when a mail arrives."
    """
    from rae_auto.offline.authoring.template import render_project

    word, _, flavour = kind.partition(":")
    answers = {
        "kind": word,
        "flavour": flavour or "default",
        "name": name,
        "description": description,
        "author": author or _find_author(),
    }
    project = render_project(into, answers)
    article = "an" if kind[0] in "aeiou" else "a"
    click.echo(f"{escape_line(str(project))} is {article} {kind.replace(':', ' ')} plugin that works; next:")
    click.echo(f"  pip install -e '{project}[test]'\n  rae-auto plugins check {project}\n  pytest {project}")


def _find_author() -> str:
    """Return the name that git knows, if there is one."""
    import subprocess

    try:
        done = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return "Your Name"
    return done.stdout.strip() or "Your Name"


@click.command("check")
@click.argument("target", required=False, metavar="[PATH | NAME]")
@options.as_json
@click.pass_context
def check_command(ctx: click.Context, target: str | None, json_: bool) -> None:
    """Check plugins for mistakes: of a project's folder or a file, by name, or all that don't come with rae-auto.

    Each mistake is a line with file, line, remedy and rule. The exit code is 1 if a mistake keeps a
    plugin from working.

    Example: rae-auto plugins check rae-trigger-inbox
    """
    from rae_auto.offline.authoring.checking import inspect_all

    inspections, packaging = inspect_all(target)
    has_errors = any(one.errors for one in inspections) or any(finding.severity == "error" for finding in packaging)
    if json_:
        print_json({"packaging": [_to_json(one) for one in packaging], "plugins": [*map(_describe, inspections)]})
        ctx.exit(int(has_errors))
    for finding in packaging:
        click.echo(escape_line(finding.describe()))
    for one in inspections:
        for finding in one.findings:
            click.echo(escape_line(finding.describe()))
        facts = [format_count(len(one.findings), "mistake") if one.findings else "no mistakes"]
        facts += [f"imported in {one.import_seconds * 1000:.0f} ms"] if one.import_seconds is not None else []
        facts += [f"not available here: {one.unavailable}"] if one.unavailable else []
        click.echo(f"{one.info.kind} {one.info.name} of {one.info.provenance}: {', '.join(map(escape_line, facts))}")
    ctx.exit(int(has_errors))


def _to_json(finding: Any) -> dict[str, Any]:
    return {"rule": finding.rule, "severity": finding.severity, "place": finding.place, "text": finding.text}


def _describe(inspection: Any) -> dict[str, Any]:
    info = inspection.info
    return {
        "kind": info.kind,
        "name": info.name,
        "distribution": info.distribution,
        "version": info.version,
        "import_seconds": inspection.import_seconds,
        "unavailable": inspection.unavailable,
        "findings": [_to_json(one) for one in inspection.findings],
    }
