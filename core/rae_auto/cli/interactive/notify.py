"""The command notify: tries a notifier before it has something to say, and shows what is not delivered yet."""

import click

from rae_auto.cli import options
from rae_auto.cli.queries import connect, query, query_with_zone
from rae_auto.cli.usage import CommandGroup
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_count, format_elapsed
from rae_auto.views.notices import NOTICE_HEADERS, notice_rows
from rae_auto.views.tables import print_json, show_table

DELIVERY_TIMEOUT_SECONDS = 60.0
"""The time to wait for the daemon, which itself gives a notifier less."""


@click.group("notify", cls=CommandGroup)
def notify_command() -> None:
    """Send a test notice, and show and retry notices that are not delivered.

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
        answer = query("test_notifier", {"notifier": name}, config, DELIVERY_TIMEOUT_SECONDS)
        if json_:
            print_json(answer)
        else:
            took = format_elapsed(answer["seconds"])
            click.echo(f'{escape_line(name)} took "{escape_line(answer["text"])}" in {took}; look whether it arrived')

    options.for_each(notifiers, test)


@notify_command.command("outbox")
@options.config
@options.as_json
@options.headers
def outbox_command(config: str | None, json_: bool) -> None:
    """List notices that are not delivered yet: tries, last error, next try. Works without a daemon.

    Example: rae-auto notify outbox
    """
    notices, zone = query_with_zone("list_notices", {}, config)
    if json_:
        print_json(notices)
    else:
        show_table(NOTICE_HEADERS, notice_rows(notices, zone), whole=())


@notify_command.command("retry")
@options.some_notifiers
@options.config
@options.as_json
def retry_command(notifiers: tuple[str, ...], config: str | None, json_: bool) -> None:
    """Deliver at once what waits for another try or was given up, of some notifiers or of all.

    Example: rae-auto notify retry ops
    """
    _change_outbox(notifiers, config, json_, discard=False)


@notify_command.command("discard")
@options.some_notifiers
@options.config
@options.as_json
def discard_command(notifiers: tuple[str, ...], config: str | None, json_: bool) -> None:
    """Discard notices that are not delivered, held ones included, of some notifiers or of all.

    Example: rae-auto notify discard ops
    """
    _change_outbox(notifiers, config, json_, discard=True)


def _change_outbox(notifiers: tuple[str, ...], config: str | None, json_: bool, *, discard: bool) -> None:
    with connect(config) as client:
        answers = [client.call("change_outbox", notifier=name, discard=discard) for name in notifiers or (None,)]
    count = sum(answer["notices"] for answer in answers)
    if json_:
        print_json({"notices": count})
    else:
        click.echo(f"{'discarded' if discard else 'delivering'} {format_count(count, 'notice')}")
