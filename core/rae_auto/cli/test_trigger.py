"""test-trigger: what a job's triggers see, live, without running the job."""

import json

import click

from rae_auto.cli import options
from rae_auto.views.escaping import visible_line

_LONGEST = 200


@click.command("test-trigger")
@options.job
@click.option("--for", "length", metavar="TIME", default="60s", show_default=True, help="Watch for so long.")
@options.config
@options.as_json
def test_trigger_command(job: str, length: str, config: str | None, json_: bool) -> None:
    """Show live what a job's triggers see and would fire; the job itself doesn't run.

    Example: rae-auto test-trigger inbox --for 5m
    """
    from rae_auto.model.primitives.units import parse_duration
    from rae_auto.offline.test_trigger import TraceLine, watch_triggers

    def show(sighting: TraceLine) -> None:
        at = sighting.at.isoformat(timespec="milliseconds")
        if json_:
            parts = {
                "at": at,
                "trigger": sighting.trigger,
                "what": sighting.what,
                "key": sighting.key,
                "text": sighting.text,
                "event": sighting.event,
            }
            click.echo(json.dumps(parts))
            return
        event = "" if sighting.event is None else json.dumps(sighting.event, ensure_ascii=False)
        words = " ".join(filter(None, (sighting.trigger, sighting.what, sighting.key, event, sighting.text)))
        shown = visible_line(words)
        click.echo(f"{at}  {shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '…'}")

    try:
        seconds = parse_duration(length).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from None
    fired = watch_triggers(options.load_project(config), job, seconds, show)
    if not json_:
        click.echo(f"{visible_line(job)} would have been started {fired} {'time' if fired == 1 else 'times'}")
