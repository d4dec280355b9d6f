"""The commands run, stop, reload and status: the daemon itself."""

import click

from rae_auto.cli import options
from rae_auto.cli.plain.run import run_daemon
from rae_auto.cli.plain.status import show_status
from rae_auto.cli.queries import connect
from rae_auto.control.client import is_daemon_running
from rae_auto.errors import DaemonUnreachable
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.paths import find_config, state_directory
from rae_auto.views.status import describe_reload, describe_restarts
from rae_auto.views.tables import print_json


@click.command("run")
@options.config
@click.option("--paused", is_flag=True, help="Start jobs by hand only.")
def run_command(config: str | None, paused: bool) -> int:
    """Run the daemon in the foreground until Ctrl-C, SIGTERM or 'rae-auto stop'.

    Example: rae-auto run --config ~/rae.toml
    """
    return run_daemon(config=config, paused=paused)


@click.command("stop")
@click.option("--now", is_flag=True, help="End running jobs immediately, without shutdown_grace.")
@click.option("--leave-running", is_flag=True, help="Leave commands running; the next daemon takes them over.")
@options.config
def stop_command(now: bool, leave_running: bool, config: str | None) -> None:
    """Stop the daemon. Running jobs get the time shutdown_grace to end.

    Example: rae-auto stop --leave-running
    """
    from rae_auto.cli.stopping import wait_for_stop  # lazy: start-up

    with connect(config) as client:
        try:
            answer = client.call("stop", now=now, leave_running=leave_running)
        except DaemonUnreachable:
            # It may have ended before it could answer; then it has done what it was asked to do.
            if is_daemon_running(state_directory(find_config(config))):
                raise
            answer = {}
        click.echo(wait_for_stop(client, answer, lambda: connect(config)))


@click.command("reload")
@options.config
@options.as_json
def reload_command(config: str | None, json_: bool) -> None:
    """Make the daemon read its configuration again. If it has errors, nothing changes.

    Example: rae-auto reload
    """
    with connect(config) as client:
        changes = client.call("reload")
    if json_:
        print_json(changes)
        return
    for line in (describe_reload(changes), *describe_restarts(changes)):
        click.echo(escape_line(line))


@click.command("status")
@options.config
@options.as_json
@options.headers
@click.option("--watch", is_flag=True, help="Update the status whenever something happens.")
@click.option(
    "--badge",
    is_flag=False,
    flag_value="",
    metavar="[JOB]",
    help="Print a picture (SVG) of the status, or of that of a job, instead.",
    shell_complete=options.complete("jobs"),
)
def status_command(config: str | None, json_: bool, watch: bool, badge: str | None) -> None:
    """Show whether all is well, what is running, what is waiting and why, and what comes next.

    Example: rae-auto status --watch
    """
    if badge is not None:
        if json_ or watch:
            raise click.UsageError("--badge goes with neither --json nor --watch")
        click.echo(_read_badge(config, badge), nl=False)
        return
    show_status(config=config, json_=json_, watch=watch)


def _read_badge(config: str | None, job: str) -> str:
    """Return the badge of a job, or of the daemon for "". Without a daemon it is printed as well as the error."""
    from rae_auto.views.monitoring.badge import UNREACHABLE, job_badge, status_badge  # lazy: start-up

    try:
        with connect(config) as client:
            badge = job_badge(client.call("show", job=job)["info"]) if job else status_badge(client.call("status"))
    except DaemonUnreachable:
        click.echo(UNREACHABLE.svg(), nl=False)
        raise
    return badge.svg()
