"""The status of a daemon, as `rae-auto status` shows it."""

from collections.abc import Mapping
from typing import Any

from rae_auto.model.primitives.formatting import format_count
from rae_auto.views.tables import instant

STATUS_HEADERS = ("", "job", "since / at", "details", "run")


def status_summary(status: Mapping[str, Any]) -> str:
    """Return one line about the daemon itself."""
    manual = "" if status["enabled"] else "; jobs start by hand only"
    return (
        f"rae-auto {status['version']} is {status['state']}: pid {status['pid']}, "
        f"started {instant(status['started_at'])}, {format_count(status['jobs'], 'job')}{manual}"
    )


def status_rows(status: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row for each open run, with its state, and for each job that is due next."""
    return [
        *(
            (run["state"], run["job"], instant(run["started_at"]), f"attempt {run['attempt']}", run["run_id"])
            for run in status["running"]
        ),
        *(
            (run["state"], run["job"], instant(run["queued_at"]), run["waiting_for"], run["run_id"])
            for run in status["waiting"]
        ),
        *(("next", job["job"], instant(job["at"]), "", "") for job in status["next"]),
    ]
