"""why: the answer in one line, and the facts behind it."""

from typing import Any

import click

from rae_auto.cli import options
from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.views.escaping import visible_line
from rae_auto.views.tables import print_json


@click.command("why")
@options.job
@click.option("--at", metavar="TIME", help="What became of the occurrence at about this time: 02:30, or ISO 8601.")
@click.option("--run", metavar="ID", help="Why this run is as it is.")
@options.config
@options.as_json
def why_command(job: str, at: str | None, run: str | None, config: str | None, json_: bool) -> None:
    """Tell why a job ran, did not run, or waits; also while no daemon runs.

    A time without an offset is one of the clock in the zone of the configuration.

    Example: rae-auto why backup --at 2026-11-23T03:00
    """
    why = _why({"job": job, "at": at, "run": run}, config)
    if json_:
        print_json(why)
        return
    click.echo(visible_line(why["answer"]))
    for fact in why["facts"]:
        click.echo(f"  {visible_line(fact['subject'])}: {visible_line(fact['text'])}")


def _why(query: dict[str, Any], config: str | None) -> dict[str, Any]:
    try:
        with Client() as client:
            answer: dict[str, Any] = client.call("why", **query)
            return answer
    except DaemonUnreachable:
        from rae_auto.offline.queries import why

        return why(options.load_project(config), query)
