"""why: the answer in one line, and the facts behind it."""

import click

from rae_auto.cli import options
from rae_auto.cli.client import Client
from rae_auto.cli.text import visible_line


@click.command("why")
@click.argument("job")
@click.option("--at", metavar="ISO", help="What became of the occurrence at about this instant.")
@click.option("--run", metavar="ID", help="Why this run is as it is.")
@options.as_json
def why_command(job: str, at: str | None, run: str | None, json_: bool) -> None:
    """Tell why a job ran, did not run, or waits.

    Example: rae-auto why backup --at 2026-11-23T03:00:00+01:00
    """
    with Client() as client:
        why = client.call("why", job=job, at=at, run=run)
    if json_:
        options.print_json(why)
        return
    click.echo(visible_line(why["answer"]))
    for fact in why["facts"]:
        click.echo(f"  {visible_line(fact)}")
