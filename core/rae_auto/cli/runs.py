"""The commands trigger, exec, cancel, output and test-trigger: runs by hand, and their output."""

import json
import signal
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rae_auto.cli import options
from rae_auto.cli.interactive.run_targets import find_run, naming_job
from rae_auto.cli.queries import connect, query
from rae_auto.cli.usage import JsonObject, KeyValue, WholeNumber, valid_text
from rae_auto.errors import BadRequest, RunNotFound
from rae_auto.model.primitives.escaping import escape_line, escape_text
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.paths import find_config, output_path, state_directory
from rae_auto.views.tables import print_json
from rae_auto.views.traces import trace_line, trace_record

if TYPE_CHECKING:
    from rae_auto.offline.test_trigger import TraceLine

F = TypeVar("F", bound=Callable[..., Any])

OPEN_STATES = ("queued", "starting", "running", "retrying")
FOLLOW_INTERVAL_SECONDS = 0.2


def with_inputs(command: F) -> F:
    """Add the options for values that one run gets beside those of its job."""
    for option in (
        click.option("--event", type=JsonObject(), metavar="JSON", help="Its event, as RAE_EVENT; '-' reads it."),
        click.option("--arg", "args", multiple=True, metavar="TEXT", help="A further argument; may be repeated."),
        click.option("--env", type=KeyValue(), multiple=True, metavar="KEY=VALUE", help="A variable; may be repeated."),
    ):
        command = option(command)
    return command


@click.command("trigger")
@options.jobs
@with_inputs
@click.option("--wait", is_flag=True, help="Wait until the runs have finished, and fail if one did not succeed.")
@click.option("--timeout", metavar="TIME", help="With --wait: wait no longer than this; the runs go on.")
@click.option("--force", is_flag=True, help="Start it whatever the state of the jobs is that it needs.")
@click.option("--request", metavar="TEXT", help="An id for the request: repeating it does not start a second run.")
@options.config
@options.as_json
def trigger_command(
    jobs: tuple[str, ...],
    env: tuple[tuple[str, str], ...],
    args: tuple[str, ...],
    event: dict[str, Any] | None,
    wait: bool,
    timeout: str | None,
    force: bool,
    request: str | None,
    config: str | None,
    json_: bool,
) -> int:
    """Start jobs by hand and print the ids of their runs.

    An id is printed once its run is durable, with --json as a line of JSON for each. Pauses and guards don't keep back
    a run that is started by hand. What --env, --arg and --event say is for this run and its retries.

    With --wait the exit code is 0 if all runs succeeded, and 1 if one did not, or if --timeout is over. How each ended
    is a line of the standard error; with --json its record is printed. Ctrl-C ends the wait and leaves the runs alone.

    \b
    Example: rae-auto trigger backup --env TARGET=/mnt/usb --arg --verbose
             rae-auto trigger backup --wait --timeout 10m
    """
    values = {"env": dict(env), "args": [valid_text(arg) for arg in args], "event": event, "force": force}
    seconds = _read_timeout(timeout, wait)
    runs: dict[str, str] = {}
    with connect(config) as client:

        def trigger(job: str) -> None:
            answer = client.call("trigger", job=job, request=request or uuid.uuid4().hex, via="command_line", **values)
            runs[answer["run_id"]] = job
            if json_ and not wait:
                click.echo(json.dumps(answer))
            elif not json_:
                click.echo(answer["run_id"])

        if not wait:
            options.for_each(jobs, trigger)
            return 0
        from rae_auto.cli.interactive.run_wait import RunWait  # lazy: start-up

        run_wait = RunWait(client, runs, seconds, as_json=json_)
        return 0 if run_wait.start_and_wait(lambda: options.for_each(jobs, trigger), config) else 1


def _read_timeout(text: str | None, is_waiting: bool) -> float | None:
    from rae_auto.model.primitives.units import parse_duration  # lazy: start-up

    if text is None:
        return None
    if not is_waiting:
        raise click.UsageError("--timeout goes with --wait; add that")
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"--timeout: {error}") from None


@click.command("exec")
@options.job
@with_inputs
@options.config
def exec_command(
    job: str,
    env: tuple[tuple[str, str], ...],
    args: tuple[str, ...],
    event: dict[str, Any] | None,
    config: str | None,
) -> int:
    """Run a job in the foreground, without a daemon, in the environment that the daemon gives it.

    The exit code is 1 if the job failed, whatever its own is; that is in the message.

    Example: rae-auto exec backup --arg --dry-run
    """
    from rae_auto.model.run_inputs import inputs_of  # lazy: start-up
    from rae_auto.offline.exec import execute  # lazy: start-up

    try:
        inputs = inputs_of(dict(env), args)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    result, failure = execute(options.load_project(config), job, sys.stdout.buffer, inputs, event)
    if result.remark:
        click.echo(f"rae-auto: {escape_line(job)}: {escape_line(result.remark)}", err=True)
    if failure is None:
        if result.value is not None:
            value = result.value if isinstance(result.value, str) else json.dumps(result.value)
            click.echo(f"rae-auto: {escape_line(job)} returned {escape_line(value)}", err=True)
        return 0
    click.echo(f"rae-auto: {escape_line(job)} failed: {escape_line(failure)}", err=True)
    return 1


@click.command("cancel")
@click.argument(
    "targets", nargs=-1, required=True, metavar="JOB|RUN...", shell_complete=options.complete("jobs and runs")
)
@options.config
@options.as_json
def cancel_command(targets: tuple[str, ...], config: str | None, json_: bool) -> None:
    """Cancel runs by their ids, or all open runs of jobs.

    The exit code is 0 also where nothing was open, and 1 for a job or run that doesn't exist.

    Example: rae-auto cancel backup
    """
    cancelled: list[str] = []
    with connect(config) as client:

        def cancel(target: str) -> None:
            found = client.call("cancel", job=target)["cancelled"]
            cancelled.extend(found)
            if not json_:
                click.echo("\n".join(found) or f"{escape_line(target)} has no open runs")

        options.for_each(targets, cancel)
    if json_:
        print_json({"cancelled": cancelled})


@click.command("output")
@click.argument("target", metavar="JOB|RUN", shell_complete=options.complete("jobs and runs"))
@click.option("--attempt", type=WholeNumber(1), help="Show this attempt; by default the last one.")
@click.option("--follow", "-f", is_flag=True, help="Continue until the run ends.")
@click.option("--raw", is_flag=True, help="Print the bytes unchanged; a terminal obeys control sequences in them.")
@options.config
def output_command(target: str, attempt: int | None, follow: bool, raw: bool, config: str | None) -> None:
    """Show the output of a run: of the last run of a job, or of a run by its id. Works without a daemon.

    Example: rae-auto output backup --follow
    """
    run = _latest_run(target, config)
    number = attempt or run["attempt"]
    if number > run["attempt"] and run["state"] not in OPEN_STATES:
        raise RunNotFound(f"run {run['run_id']} has no attempt {number}; its last one is attempt {run['attempt']}")
    path = output_path(state_directory(find_config(config)), run["job"], run["run_id"], number)

    def is_followed() -> bool:
        return follow and _latest_run(run["run_id"], config)["state"] in OPEN_STATES

    while not path.exists() and is_followed():
        time.sleep(FOLLOW_INTERVAL_SECONDS)
    if path.exists():
        _print_file(path, raw, is_followed)
    for remark in [one["remark"] for one in run["attempts"] if one["number"] == number and one["remark"]]:
        click.echo(f"rae-auto: {escape_line(remark)}", err=True)
    errors = [one["error"] for one in run["attempts"] if one["number"] == number and one["error"]]
    if not path.exists() or (errors and not path.stat().st_size):
        why = errors[0] if errors else "it printed nothing, or it has been removed"
        click.echo(f"attempt {number} of run {run['run_id']} has no output: {escape_line(why)}", err=True)


def _latest_run(target: str, config: str | None) -> dict[str, Any]:
    """Return the run of this id, or the latest run of this job that has started."""
    arguments: dict[str, Any] = {"job": None, "states": [], "since": None, "until": None, "limit": 20}
    if (named := find_run(target, config)) is not None:
        return named
    with naming_job(target):
        runs: list[dict[str, Any]] = query("history", {**arguments, "job": target}, config)
    started = next((run for run in runs if run["attempt"]), None)
    if started is None:
        raise RunNotFound(f"job {quote(target)} has no run that started; 'rae-auto trigger {target}' starts one")
    return started


def _print_file(path: Path, raw: bool, is_open: Callable[[], bool]) -> None:
    with path.open("rb") as file:
        while True:
            # Checked before reading, so that the last output is printed too.
            continues = is_open()
            while chunk := file.read(1 << 16):
                if raw:
                    sys.stdout.buffer.write(chunk)
                    sys.stdout.buffer.flush()
                else:
                    click.echo(escape_text(chunk.decode(errors="backslashreplace")), nl=False)
            if not continues:
                return
            time.sleep(FOLLOW_INTERVAL_SECONDS)


@click.command("test-trigger")
@options.job
@click.option("--for", "length", metavar="TIME", default="60s", show_default=True, help="Stop after this time.")
@options.config
@options.as_json
def test_trigger_command(job: str, length: str, config: str | None, json_: bool) -> None:
    """Watch a job's triggers and show what they would start. The job itself does not run.

    Example: rae-auto test-trigger inbox --for 5m
    """
    from rae_auto.model.primitives.units import parse_duration  # lazy: start-up
    from rae_auto.offline.test_trigger import watch_triggers  # lazy: start-up

    project = options.load_project(config)

    def show(trace: "TraceLine") -> None:
        click.echo(json.dumps(trace_record(trace)) if json_ else trace_line(trace, project.zone))

    try:
        seconds = parse_duration(length).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from None
    # What ends it from outside must not leave its directory behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    starts = watch_triggers(project, job, seconds, show)
    if not json_:
        click.echo(f"{escape_line(job)} would have been started {format_count(starts, 'time')}")
