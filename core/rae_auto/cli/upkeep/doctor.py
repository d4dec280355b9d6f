"""The command doctor: problems of the machine, the configuration and the daemon, each with a hint."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from rae_auto._version import __version__
from rae_auto.cli import options
from rae_auto.cli.queries import connect
from rae_auto.errors import DaemonUnreachable, SchedulerError
from rae_auto.paths import find_config
from rae_auto.views.findings import finding_line, finding_record
from rae_auto.views.tables import print_json

if TYPE_CHECKING:
    from rae_auto.offline.doctor import Finding

DAEMON_TIMEOUT_SECONDS = 5.0


@click.command("doctor")
@options.config
@options.as_json
def doctor_command(config: str | None, json_: bool) -> int:
    """Find problems and print a hint for each. The exit code is 1 if there are any.

    Checks the machine, the state directory, the configuration, its plugins and the daemon.

    Example: rae-auto doctor
    """
    from rae_auto.offline.doctor import diagnose  # lazy: start-up

    findings = [*diagnose(find_config(config)), *_diagnose_daemon(config)]
    has_problems = any(finding.hint is not None for finding in findings)
    if json_:
        print_json({"ok": not has_problems, "findings": [finding_record(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(finding_line(finding))
    return 1 if has_problems else 0


def _diagnose_daemon(config: str | None) -> "Iterator[Finding]":
    from rae_auto.offline.doctor import Finding  # lazy: start-up

    try:
        with connect(config, DAEMON_TIMEOUT_SECONDS) as client:
            status = client.call("status")
    except DaemonUnreachable as error:
        is_absent = "no daemon is running" in str(error)
        yield Finding("daemon", str(error), None if is_absent else "check its log and restart it")
    except SchedulerError as error:
        yield Finding("daemon", f"it can't report its status: {error}", "check its log")
    else:
        is_other_version = status["version"] != __version__
        hint = f"restart it, because this is version {__version__}" if is_other_version else None
        yield Finding("daemon", f"version {status['version']} is running, pid {status['pid']}", hint)
        for problem in status["problems"]:
            # One of the configuration has a line for each error.
            yield from (Finding("daemon", line, "check its log") for line in problem.splitlines())
