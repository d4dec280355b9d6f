"""The test of a host for `rae-auto doctor`: a connection of its own, which starts nothing there."""

import subprocess

from rae_executor_ssh.ssh_command import (
    MIN_PYTHON,
    REMOTE_PACKAGE,
    build_command,
    build_loader,
    explain_failure,
    parse_report,
)
from rae_plugins.executors.remote.bundle import build_bundle

PROBE_SECONDS = 15.0
MIN_FREE_BYTES = 100 << 20


def find_problems(host: str, config: str | None, python: str, directory: str) -> tuple[str, ...]:
    """Return what keeps a host from running jobs, a line each with the remedy."""
    try:
        ended = subprocess.run(
            [*build_command(host, config, python)],
            # The loader alone: what it asks for doesn't come, so that nothing is left there.
            input=build_loader(build_bundle(REMOTE_PACKAGE), directory),
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return (f"{host}: no connection within {PROBE_SECONDS:g} s; see whether it is up, and try 'ssh {host}'",)
    except OSError as error:
        return (f"ssh can't be started: {error.strerror}; install OpenSSH's client",)
    reports = [report for line in ended.stdout.splitlines() if (report := parse_report(line)) is not None]
    for report in reports:
        if "old_python" in report:
            needed = ".".join(map(str, MIN_PYTHON))
            return (f"{host}: its Python is {report['old_python']}; install {needed} or later, or set python",)
        if "problem" in report:
            return (f"{host}: {report['problem']}; make room, or set directory",)
        if "hello" in report or "need" in report:
            free = report.get("free")
            if isinstance(free, int) and free < MIN_FREE_BYTES:
                return (f"{host}: only {free >> 20} MB are free below {directory}; make room",)
            return ()
    return (explain_failure(host, python, ended.returncode, ended.stderr.decode(errors="replace")),)
