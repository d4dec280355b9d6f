"""Jobs, as `rae-auto list` and `rae-auto show` show them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rae_auto.views.tables import instant

JOB_HEADERS = ("job", "now", "last", "next", "schedule")


def job_rows(jobs: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Return a row for each job."""
    return [
        (job["id"], job["activity"], job["last_state"], instant(job["next_at"]), ", ".join(job["schedule"]))
        for job in jobs
    ]


def job_details(details: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fields of a job's definition, its state, and its open runs."""
    info = details["info"]
    fields = details["definition"].items()
    return [
        *(
            ("retry" if name == "retry_policy" else name, value if isinstance(value, str) else json.dumps(value))
            for name, value in fields
        ),
        ("now", info["activity"]),
        ("next", instant(info["next_at"])),
        ("last", f"{info['last_state']} {instant(info['last_finished_at'])}" if info["last_state"] else "-"),
        *(("open run", f"{run['run_id']} {run['state']}") for run in details["open"]),
    ]
