"""doctor: what is wrong with the machine, the configuration or the daemon, and the remedy."""

import click

from rae_auto._version import __version__
from rae_auto.cli import options
from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable, SchedulerError
from rae_auto.paths import find_config
from rae_auto.views.escaping import visible_line
from rae_auto.views.tables import print_json


@click.command("doctor")
@options.config
@options.as_json
def doctor_command(config: str | None, json_: bool) -> int:
    """Look for what is wrong, and tell the remedy; exit code 1 where there is something.

    Example: rae-auto doctor
    """
    from rae_auto.offline.doctor import Finding, diagnose

    findings = [*diagnose(find_config(config))]
    try:
        with Client(timeout=5.0) as client:
            status = client.call("status")
    except DaemonUnreachable as error:
        absent = "no daemon is running" in str(error)
        findings.append(Finding("daemon", str(error), None if absent else "look at its log; restart it"))
    except SchedulerError as error:
        findings.append(Finding("daemon", f"it can't tell its status: {error}", "look at its log"))
    else:
        other = status["version"] != __version__
        seen = f"{status['version']} answers, pid {status['pid']}"
        findings.append(Finding("daemon", seen, f"restart it: this is {__version__}" if other else None))
        findings += [Finding("daemon", problem, "see its log") for problem in status["problems"]]
    bad = [finding for finding in findings if finding.hint is not None]
    if json_:
        rows = [
            {"subject": f.subject, "observation": f.observation, "ok": f.hint is None, "hint": f.hint} for f in findings
        ]
        print_json({"ok": not bad, "findings": rows})
    else:
        for finding in findings:
            mark = "ok     " if finding.hint is None else "problem"
            remedy = f"; {finding.hint}" if finding.hint else ""
            click.echo(f"{mark}  {finding.subject}: {visible_line(finding.observation + remedy)}")
    return 1 if bad else 0
