"""The command plugins try: a plugin at work, without a daemon, again at each save of its file."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from rae_auto.model.primitives.escaping import escape_line

POLL_SECONDS = 0.1


@click.command("try")
@click.argument("target", metavar="FILE|PATH|NAME")
@click.argument("given", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--at", metavar="TIME", help="The instant to try it at, as in 2026-10-25T00:00Z; by default now.")
@click.option("--zone", default="UTC", show_default=True, help="The time zone of what is shown.")
@click.option("--watch/--once", default=None, help="Try it again at each save; by default on a terminal.")
@click.pass_context
def try_command(
    ctx: click.Context, target: str, given: tuple[str, ...], at: str | None, zone: str, watch: bool | None
) -> None:
    """Try a plugin without a daemon: its mistakes, its options, and what it does.

    A schedule shows its next instants and a month. A source runs for a moment, and shows what it sees and would fire. A
    guard answers; a notifier gets a sample notice, a logger a line. Options are TOML values.

    Example: rae-auto plugins try lunar.py every=2d --at 2026-10-24T12:00Z
    """
    path = Path(target)
    if watch is None:
        watch = path.exists() and sys.stdout.isatty()
    if watch and path.exists():
        _watch(path, sys.argv[1:])
        return
    ctx.exit(_try_once(target, given, at, zone))


def _try_once(target: str, given: tuple[str, ...], at: str | None, zone: str) -> int:
    from zoneinfo import ZoneInfo

    from rae_auto.model.primitives.instants import parse_instant
    from rae_auto.offline.authoring.checking import find_target, inspect_within_limit, quiet_output
    from rae_auto.offline.authoring.trying import describe_trial, read_options

    try:
        options = read_options(given)
        now = datetime.now(UTC) if at is None else parse_instant(at)
        where = ZoneInfo(zone)
    except (ValueError, LookupError) as error:
        raise click.UsageError(str(error)) from None
    with quiet_output():
        inspections = [inspect_within_limit(info, options or None) for info in find_target(target).infos]
    for one in inspections:
        click.echo(f"{one.info.kind} {one.info.name} of {one.info.provenance}")
        with quiet_output():
            lines = list(describe_trial(one, where, now))
        for line in lines:
            click.echo(f"  {escape_line(line)}")
    return int(any(one.errors for one in inspections))


def _watch(path: Path, argv: list[str]) -> None:
    """Try the plugin in a process of its own, which imports it afresh, and again after each save, until Ctrl-C."""
    import subprocess

    command = [sys.executable, "-m", "rae_auto", *argv, "--once"]
    before = None
    try:
        while True:
            now = _stamp(path)
            if now != before:
                before = now
                click.clear()
                subprocess.run(command, check=False)
                click.echo(f"watching {escape_line(str(path))}; Ctrl-C ends it", err=True)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


def _stamp(path: Path) -> tuple[tuple[str, int], ...]:
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    return tuple((str(file), file.stat().st_mtime_ns) for file in files if file.exists())
