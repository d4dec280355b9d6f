"""The command plugins: the installed plugins and their options."""

import click

from rae_auto.cli import options
from rae_auto.cli.usage import CommandGroup, OneOf
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.tables import print_json, show_table


@click.group("plugins", cls=CommandGroup, invoke_without_command=True)
@options.as_json
@click.pass_context
def plugins_command(ctx: click.Context, json_: bool) -> None:
    """List the installed plugins, with their origin and state, without importing them.

    Example: rae-auto plugins show trigger cron
    """
    if ctx.invoked_subcommand is not None:
        return
    from rae_auto.registry import Registry

    fields = ("kind", "name", "distribution", "version", "state", "problem")
    rows = [[getattr(info, field) for field in fields] for info in Registry().infos()]
    if json_:
        print_json([dict(zip(fields, row, strict=True)) for row in rows])
    else:
        show_table(fields, rows)


@plugins_command.command("show")
@click.argument("kind", type=OneOf(["trigger", "executor", "store", "logger", "notifier", "guard"]))
@click.argument("name", shell_complete=options.complete("plugins"))
@options.as_json
def show_command(kind: str, name: str, json_: bool) -> None:
    """Show the options of a plugin, with types, defaults and help, and an example.

    Example: rae-auto plugins show trigger cron
    """
    from rae_auto.api.plugin import Kind
    from rae_auto.registry import Registry
    from rae_auto.registry.describe import describe, describe_example

    plugin = Registry().get(Kind(kind), name)
    described, example = describe(plugin), describe_example(Kind(kind), plugin)
    if json_:
        print_json(
            {"kind": kind, "name": name, "help": described.help, "example": example, "options": described.rows()}
        )
        return
    click.echo(f"{kind} {name}: {escape_line(described.help)}")
    show_table(["option", "type", "default", "help"], [list(row.values()) for row in described.rows()])
    click.echo(f"example: {escape_line(example)}")
