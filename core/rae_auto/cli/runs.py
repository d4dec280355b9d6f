"""trigger, exec, cancel, history, output: runs, by hand and on record."""

import sys
import time
import uuid
from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable, RunNotFound
from rae_auto.paths import state_directory
from rae_auto.views.escaping import visible, visible_line
from rae_auto.views.tables import instant, print_json, show_table

OPEN = ("queued", "starting", "running", "retrying")


@click.command("trigger")
@options.job
@click.option("--request", metavar="TEXT", help="Identifies the request: repeated, it leads to one run.")
@options.as_json
def trigger_command(job: str, request: str | None, json_: bool) -> None:
    """Start a job by hand; prints the id of its run once that is durable.

    Example: rae-auto trigger backup
    """
    with Client() as client:
        answer = client.call("trigger", job=job, request=request or uuid.uuid4().hex)
    if json_:
        print_json(answer)
    else:
        click.echo(answer["run_id"])


@click.command("exec")
@options.job
@options.config
def exec_command(job: str, config: str | None) -> int:
    """Run a job here and now, without a daemon, in the environment that the daemon gives it.

    Example: rae-auto exec backup
    """
    from rae_auto.offline.exec import execute

    result = execute(options.load_project(config), job, sys.stdout.buffer)
    if result.ok:
        return 0
    end = f"signal {result.signal}" if result.signal else f"exit code {result.exit_code}"
    click.echo(f"rae-auto: {visible_line(job)} failed: {visible_line(result.error or end)}", err=True)
    return 1


@click.command("cancel")
@click.argument("target", metavar="JOB|RUN")
@options.as_json
def cancel_command(target: str, json_: bool) -> None:
    """End a run, or all open runs of a job.

    Example: rae-auto cancel backup
    """
    with Client() as client:
        answer = client.call("cancel", job=target)
    if json_:
        print_json(answer)
    else:
        click.echo("\n".join(answer["cancelled"]) or "nothing was open")


@click.command("history")
@options.optional_job
@click.option("--state", "states", multiple=True, metavar="STATE", help="Only runs in this state; may be repeated.")
@click.option("--since", metavar="ISO", help="Only runs queued at or after this instant.")
@click.option("--until", metavar="ISO", help="Only runs queued at or before this instant.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@options.config
@options.as_json
def history_command(job: str | None, config: str | None, json_: bool, **query: Any) -> None:
    """Show runs, the newest first; also while no daemon runs.

    Example: rae-auto history backup --state failed
    """
    runs = _history({"job": job, **query}, config)
    if json_:
        print_json(runs)
        return
    rows = [
        (
            run["run_id"],
            run["job"],
            run["state"],
            instant(run["queued_at"]),
            run["attempt"],
            run["exit_code"],
            run["reason"],
        )
        for run in runs
    ]
    show_table(["run", "job", "state", "queued", "attempt", "exit", "reason"], rows)


def _history(query: dict[str, Any], config: str | None) -> list[dict[str, Any]]:
    query["states"] = list(query["states"])
    try:
        with Client() as client:
            runs: list[dict[str, Any]] = client.call("history", **query)
            return runs
    except DaemonUnreachable:
        from rae_auto.offline.queries import history

        return history(options.load_project(config), query)


@click.command("output")
@click.argument("target", metavar="JOB|RUN")
@click.option("--attempt", type=click.IntRange(1), help="Of this attempt; by default the last one.")
@click.option("--follow", "-f", is_flag=True, help="Go on while the run is open.")
@click.option("--raw", is_flag=True, help="Byte by byte; a terminal would obey what is in it.")
@options.config
def output_command(target: str, attempt: int | None, follow: bool, raw: bool, config: str | None) -> None:
    """Show what a run has printed: the last run of a job, or one by its id.

    Example: rae-auto output backup --follow
    """
    run = _latest(target, config)
    number = attempt or run["attempt"]
    path = state_directory() / "output" / f"{run['run_id']}.{number}.log"
    if not path.exists():
        raise RunNotFound(f"attempt {number} of run {run['run_id']} has no output")
    _print_file(path, raw, still_open=lambda: follow and _latest(run["run_id"], config)["state"] in OPEN)


def _latest(target: str, config: str | None) -> dict[str, Any]:
    """The run of this id, or the latest of this job that has begun."""
    query = {"job": None, "states": (), "since": None, "until": None, "limit": 20}
    if len(target) == 26 and target.isupper():
        runs = _history({**query, "run": target}, config)
    else:
        runs = [run for run in _history({**query, "job": target}, config) if run["attempt"]]
    if not runs:
        raise RunNotFound(f"no run of {target!r} has begun; 'rae-auto history' lists those that have")
    return runs[0]


def _print_file(path: Path, raw: bool, still_open: Any) -> None:
    with path.open("rb") as file:
        while True:
            # Asked first: what is printed before the end is then read after it.
            more = still_open()
            while chunk := file.read(1 << 16):
                if raw:
                    sys.stdout.buffer.write(chunk)
                    sys.stdout.buffer.flush()
                else:
                    click.echo(visible(chunk.decode(errors="backslashreplace")), nl=False)
            if not more:
                return
            time.sleep(0.2)
