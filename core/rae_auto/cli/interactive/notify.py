"""The command notify: tries a notifier before it has something to say."""

import click

from rae_auto.cli import options
from rae_auto.cli.queries import query
from rae_auto.cli.usage import CommandGroup
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.views.tables import print_json

DELIVERY_TIMEOUT_SECONDS = 60.0
"""The time to wait for the daemon, which itself gives a notifier less."""


@click.group("notify", cls=CommandGroup)
def notify_command() -> None:
    """Send a test notice through a configured notifier.

    Example: rae-auto notify test desk
    """


@notify_command.command("test")
@options.notifiers
@options.config
@options.as_json
def test_command(notifiers: tuple[str, ...], config: str | None, json_: bool) -> None:
    """Send a test notice through notifiers of the configuration, and say what happened.

    The daemon sends it if one is running, as it sends all others; else this command does.

    Example: rae-auto notify test desk
    """

    def test(name: str) -> None:
        answer = query("test_notifier", {"notifier": name}, config, DELIVERY_TIMEOUT_SECONDS).value
        if json_:
            print_json(answer)
        else:
            took = format_elapsed(answer["seconds"])
            click.echo(f'{escape_line(name)} took "{escape_line(answer["text"])}" in {took}; look whether it arrived')

    options.for_each(notifiers, test)
