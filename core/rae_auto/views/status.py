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
    """Return a row for each open run and for each job that is due next."""
    running = [(r["job"], instant(r["started_at"]), f"attempt {r['attempt']}", r["run_id"]) for r in status["running"]]
    waiting = [(r["job"], instant(r["queued_at"]), r["waiting_for"], r["run_id"]) for r in status["waiting"]]
    upcoming = [(job["job"], instant(job["at"]), "", "") for job in status["next"]]
    sections = (("running", running), ("waiting", waiting), ("next", upcoming))
    return [(section, *row) for section, rows in sections for row in rows]
