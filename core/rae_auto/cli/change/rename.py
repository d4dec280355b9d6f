"""The command rename: another name for an added job."""

import click

from rae_auto.cli import options
from rae_auto.cli.queries import connect
from rae_auto.model.primitives.escaping import escape_line


@click.command("rename")
@options.job
@click.argument("new")
@options.config
def rename_command(job: str, new: str, config: str | None) -> None:
    """Give another name to a job that was added by hand. Pauses, history and runs that wait go with it.

    Rename a job of the configuration in its file, and type 'rae-auto reload'.

    Example: rae-auto rename tidy tidy-up
    """
    with connect(config) as client:
        client.call("rename", job=job, new=new)
    click.echo(f"renamed {escape_line(job)} to {escape_line(new)}")
