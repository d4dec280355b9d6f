"""The command doctor: problems of the machine, the configuration and the daemon, each with a hint."""

from collections.abc import Mapping
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.cli.queries import connect
from rae_auto.errors import DaemonUnreachable, SchedulerError
from rae_auto.paths import HomeUnknown, find_config
from rae_auto.views.findings import finding_line, finding_record
from rae_auto.views.tables import print_json

DAEMON_TIMEOUT_SECONDS = 5.0


@click.command("doctor")
@options.config
@options.as_json
def doctor_command(config: str | None, json_: bool) -> int:
    """Find problems and print a hint for each; changes nothing.

    Checks the machine, the state directory, the configuration, its plugins, services and the daemon. Works without a
    daemon, and with a configuration that has errors. The exit code is 1 if there is a problem; a warning, as
    rae-auto check prints it, is none.

    Example: rae-auto doctor
    """
    # lazy: start-up
    from rae_auto.offline.doctor.diagnosis import diagnose_all
    from rae_auto.offline.doctor.facts import Machine

    answer = _ask_daemon(config)
    pid = None if isinstance(answer, SchedulerError) else answer["pid"]
    findings = diagnose_all(find_config(config), Machine.inspect(pid), answer)
    problems = sum(finding.is_problem for finding in findings)
    if json_:
        print_json({"ok": not problems, "findings": [finding_record(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(finding_line(finding))
    return 1 if problems else 0


def _ask_daemon(config: str | None) -> Mapping[str, Any] | SchedulerError:
    """Return the status of the daemon, or why there is none."""
    try:
        with connect(config, DAEMON_TIMEOUT_SECONDS) as client:
            status: Mapping[str, Any] = client.call("status")
            return status
    except SchedulerError as error:
        return error
    except HomeUnknown:
        return DaemonUnreachable("no daemon is running, as far as can be known without a state directory")
