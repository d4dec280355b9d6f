"""The commands plugins list and show: the installed plugins and their options."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rae_auto.cli import options
from rae_auto.cli.usage import OneOf
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.tables import print_json, show_table

if TYPE_CHECKING:
    from rae_auto.registry import Registry
    from rae_auto.registry.index import PluginInfo

KINDS = ("trigger", "executor", "store", "logger", "notifier", "guard", "command")


def _find_plugins() -> "Registry":
    """Return the plugins of this environment, as the configuration chooses them, if there is one here."""
    from rae_auto.config.loading import choose_plugins
    from rae_auto.paths import find_config
    from rae_auto.registry import Registry

    registry, config = Registry(), find_config()
    if config is not None:
        choose_plugins(config, registry)
    return registry


def _find_quarantined() -> "list[str]":
    """Return a line for each plugin that the running daemon has quarantined; none if no daemon is running here."""
    from rae_auto.cli.queries import connect
    from rae_auto.errors import SchedulerError

    try:
        with connect(None) as client:
            return list(client.call("status").get("quarantined", ()))
    except SchedulerError:
        return []


def _find_problem(quarantined: "Sequence[str]", kind: str, name: str) -> str | None:
    """Return what the daemon says about a plugin that it has quarantined, or None."""
    lines = [line for line in quarantined if line.startswith(f'{kind} "{name}" of ')]
    return "; ".join(lines) or None


def show_list(json_: bool, *, load: bool, with_grades: bool = False) -> None:
    """Print the installed plugins; with `load` each is imported, so that its state is known."""
    import sys
    from contextlib import redirect_stdout

    from rae_auto.errors import PluginNotFound

    registry = _find_plugins()
    grades = _grade_each(registry.infos()) if with_grades else {}
    if load or with_grades:
        with redirect_stdout(sys.stderr):
            for info in registry.infos():
                try:
                    registry.info(info.kind, info.name)
                except PluginNotFound:
                    continue
    fields = ["kind", "name", "distribution", "version", "state", "problem"]
    quarantined = _find_quarantined()
    rows = [_list_fields(info, _find_problem(quarantined, info.kind, info.name)) for info in registry.infos()]
    if with_grades:
        fields.append("grade")
        rows = [
            [*row, grades.get((info.kind, info.name, info.distribution))]
            for row, info in zip(rows, registry.infos(), strict=True)
        ]
    if json_:
        print_json([dict(zip(fields, row, strict=True)) for row in rows])
    else:
        show_table(fields, rows)


def _list_fields(info: "PluginInfo", quarantine: str | None) -> list[str | None]:
    """Return the fields of a plugin: its own problem comes before what a daemon says about its use."""
    state, problem = str(info.state), info.problem
    if problem is None and quarantine is not None:
        state, problem = "quarantined", quarantine
    return [str(info.kind), info.name, info.distribution, info.version, state, problem]


def _grade_each(listed: "Sequence[PluginInfo]") -> dict[tuple[str, str, str], str]:
    """Return the grade of each plugin that may be loaded and has one, by kind, name and distribution."""
    from rae_auto.offline.authoring.checking import quiet_output
    from rae_auto.offline.authoring.grading import grade_plugins
    from rae_auto.registry.index import State

    with quiet_output():
        reports = grade_plugins([info for info in listed if info.state is State.INSTALLED and info.path is None])
    infos = [report.evidence.inspection.info for report in reports]
    return {
        (info.kind, info.name, info.distribution): str(report.grade)
        for info, report in zip(infos, reports, strict=True)
        if report.grade is not None
    }


@click.command("list")
@click.option("--load", is_flag=True, help="Import each plugin, and show whether that works.")
@click.option("--grades", is_flag=True, help="Show the grades too, from sources and tests, which takes some seconds.")
@options.as_json
def list_command(load: bool, grades: bool, json_: bool) -> None:
    """List the installed plugins, with their origin and state, without importing them unless asked to.

    One that the running daemon has quarantined has that state.

    Example: rae-auto plugins list --load
    """
    show_list(json_, load=load, with_grades=grades)


@click.command("show")
@click.argument("kind", type=OneOf(KINDS))
@click.argument("name", shell_complete=options.complete("plugins"))
@click.option("--markdown", is_flag=True, help="Print a page in Markdown, as for a README.")
@options.as_json
def show_command(kind: str, name: str, markdown: bool, json_: bool) -> None:
    """Show the options of a plugin, with types, defaults and help, and an example.

    Example: rae-auto plugins show trigger cron
    """
    from rae_auto.api.plugin import Kind
    from rae_auto.registry.describe import describe, describe_example, to_markdown

    plugin = _find_plugins().get(Kind(kind), name)
    described, example = describe(plugin), describe_example(Kind(kind), plugin)
    problem = None if markdown else _find_problem(_find_quarantined(), kind, name)
    if json_:
        facts = {"kind": kind, "name": name, "help": described.help, "example": example, "options": described.rows()}
        print_json({**facts, "quarantine": problem})
        return
    if markdown:
        click.echo(to_markdown(Kind(kind), name, described, example))
        return
    click.echo(f"{kind} {name}: {escape_line(described.help)}")
    if problem is not None:
        click.echo(f"in the running daemon: {escape_line(problem)}")
    show_table(["option", "type", "default", "help"], [list(row.values()) for row in described.rows()])
    click.echo(f"example: {escape_line(example)}")
