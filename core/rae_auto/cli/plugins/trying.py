"""The command plugins try: runs a plugin without a daemon, again at each save of its file."""

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rae_auto.offline.trial.messages import TrialRequest


@click.command("try")
@click.argument("target", metavar="FILE|PATH|NAME")
@click.argument("given", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--at", metavar="TIME", help="The instant at which the clock begins, as in 2026-10-25T00:00Z; by default now."
)
@click.option("--zone", default="UTC", show_default=True, help="The time zone of what is shown.")
@click.option("--watch/--once", default=None, help="Go on, and try it again at each save; by default on a terminal.")
@click.pass_context
def try_command(
    ctx: click.Context, target: str, given: tuple[str, ...], at: str | None, zone: str, watch: bool | None
) -> None:
    """Try a plugin without a daemon: its mistakes, its options, and what it does.

    A schedule shows its next instants, what clock changes do to them, and a month. A source shows what it sees and
    would fire. A guard answers; a notifier gets a sample notice, a logger a line, an executor a command. A store passes
    its conformance suite. On a terminal it goes on: each save of the file is shown at once, and keys move the clock,
    ask again, and quit. Options are TOML values. With --once the exit code is 1 if the plugin failed.

    Example: rae-auto plugins try lunar.py every=2d --at 2026-10-24T12:00Z
    """
    import asyncio

    from rae_auto.cli.plugins.trial_views import run_pane, run_plain

    is_terminal = sys.stdout.isatty()
    is_once = not (is_terminal if watch is None else watch)
    request = _read_request(target, given, at, zone, is_once=is_once)
    run = run_pane if is_terminal and not is_once else run_plain
    ctx.exit(asyncio.run(run(request)))


def _read_request(target: str, given: tuple[str, ...], at: str | None, zone: str, *, is_once: bool) -> "TrialRequest":
    from rae_auto.model.primitives.instants import parse_instant
    from rae_auto.model.primitives.zones import zone as load_zone
    from rae_auto.offline.trial.messages import TrialRequest
    from rae_auto.offline.trial.option_words import read_options

    try:
        read_options(given)
        load_zone(zone)
        begin = None if at is None else parse_instant(at)
    except (ValueError, LookupError) as error:
        raise click.UsageError(str(error)) from None
    return TrialRequest(target=target, options=given, zone=zone, at=begin, is_once=is_once)
