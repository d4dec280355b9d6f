"""The command plugins: the installed plugins, and help for authors."""

import click

from rae_auto.cli import options
from rae_auto.cli.plugins.authoring import check_command, new_command
from rae_auto.cli.plugins.grading import grade_command
from rae_auto.cli.plugins.installing import install_command, uninstall_command
from rae_auto.cli.plugins.listing import list_command, show_command, show_list
from rae_auto.cli.plugins.trying import try_command
from rae_auto.cli.usage import CommandGroup


@click.group("plugins", cls=CommandGroup, invoke_without_command=True)
@options.as_json
@click.pass_context
def plugins_command(ctx: click.Context, json_: bool) -> None:
    """List the installed plugins, with their origin and state, or make, check and try one.

    Example: rae-auto plugins show trigger cron
    """
    if ctx.invoked_subcommand is None:
        show_list(json_, load=False)


for _command in (
    list_command,
    show_command,
    new_command,
    check_command,
    grade_command,
    install_command,
    uninstall_command,
    try_command,
):
    plugins_command.add_command(_command)
