"""Jobs written as TOML, so that what was added by hand can move into a file."""

from typing import Any

import tomli_w

from rae_auto.model.documents import dump
from rae_auto.model.job import Job


def job_toml(job: Job) -> str:
    """The `[jobs.ID]` table that means `job`; reading it gives an equal one."""
    document = dump(job)
    table: dict[str, Any] = {}
    for name, value in document.items():
        if name == "schedule":
            table["triggers"] = [_flat(trigger) for trigger in value]
        elif name == "executor":
            table["executor"] = _flat(value)
        elif name == "retry_policy":
            table["retry"] = value
        elif name != "id" and not (name == "name" and value == job.id):
            table[name] = value
    return tomli_w.dumps({"jobs": {job.id: table}})


def _flat(reference: dict[str, Any]) -> dict[str, Any]:
    """A plugin as people write it: its options beside its type."""
    return {**{key: value for key, value in reference.items() if key != "options"}, **reference.get("options", {})}
