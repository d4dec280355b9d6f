"""run, stop, reload, status: the daemon itself."""

from typing import Any

import click

from rae_auto.cli import options
from rae_auto.control.client import Client
from rae_auto.views.escaping import visible_line
from rae_auto.views.tables import instant, print_json, show_table


@click.command("run")
@options.config
@click.option("--paused", is_flag=True, help="Start nothing by itself; runs by hand still work.")
def run_command(config: str | None, paused: bool) -> int:
    """Run the daemon in the foreground, until Ctrl-C, SIGTERM or 'rae-auto stop'.

    Example: rae-auto run --config ~/rae.toml
    """
    from rae_auto.daemon.daemon import run

    return run(options.config_path(config), paused=paused)


@click.command("stop")
@click.option("--now", is_flag=True, help="End running jobs at once instead of giving them their grace.")
@click.option("--leave-running", is_flag=True, help="Leave running commands to the next daemon, which takes them over.")
def stop_command(now: bool, leave_running: bool) -> None:
    """Stop the daemon: no new starts, running jobs get shutdown_grace.

    Example: rae-auto stop --leave-running
    """
    with Client() as client:
        client.call("stop", now=now, leave_running=leave_running)
        # It hangs up when it is done.
        for _ in client.events():
            pass


@click.command("reload")
@options.as_json
def reload_command(json_: bool) -> None:
    """Have the daemon read its configuration again, all or nothing.

    Example: rae-auto reload
    """
    with Client() as client:
        changes = client.call("reload")
    if json_:
        print_json(changes)
    else:
        show_table(["change", "job"], [(change, job) for change, jobs in changes.items() for job in jobs])


@click.command("status")
@options.as_json
@click.option("--watch", is_flag=True, help="Show it anew whenever something happens.")
def status_command(json_: bool, watch: bool) -> None:
    """Show what runs, what waits and for what, and what comes next.

    Example: rae-auto status --watch
    """
    with Client() as client:
        _show(client.call("status"), json_)
        if watch:
            with Client() as asking:
                for _ in client.events():
                    if not json_:
                        click.clear()
                    _show(asking.call("status"), json_)


def _show(status: dict[str, Any], json_: bool) -> None:
    if json_:
        print_json(status)
        return
    click.echo(
        f"rae-auto {status['version']} is {status['state']}: pid {status['pid']}, "
        f"since {instant(status['started_at'])}, {status['jobs']} jobs"
        + ("" if status["enabled"] else ", nothing starts by itself")
    )
    for problem in status["problems"]:
        click.secho(f"problem: {visible_line(problem)}", fg="red")
    sections = (
        (
            "running",
            [(r["job"], instant(r["started_at"]), f"attempt {r['attempt']}", r["run_id"]) for r in status["running"]],
        ),
        ("waiting", [(w["job"], instant(w["queued_at"]), w["waiting_for"], w["run_id"]) for w in status["waiting"]]),
        ("next", [(n["job"], instant(n["at"]), "", "") for n in status["next"]]),
    )
    rows = [(name, *row) for name, found in sections for row in found]
    if rows:
        show_table(["", "job", "since / at", "details", "run"], rows)
