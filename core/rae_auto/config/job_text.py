"""A job as the text of a file with one job, in the form of a configuration, for a person to edit."""

from collections.abc import Mapping, Sequence
from typing import Any

from rae_auto.model import documents
from rae_auto.model.job import Job


def format_job(job: Job) -> str:
    """Return the TOML text from which `read_job_file` reads the same job."""
    return format_document(documents.dump(job))


def format_document(document: Mapping[str, Any], cwd: str | None = None) -> str:
    """Return the TOML text of the document of a job, with `cwd` as working directory unless the job names one."""
    import tomli_w  # lazy: start-up

    table = job_table(document)
    if cwd is not None:
        table.setdefault("cwd", cwd)
    return tomli_w.dumps({"jobs": {document["id"]: table}})


def job_table(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a job as its table in a configuration."""
    table = {
        key: value for key, value in document.items() if key not in ("id", "schedule", "retry_policy", "directory")
    }
    if table.get("name") == document["id"]:
        del table["name"]
    if "executor" in table:
        table["executor"] = _plugin_table(table["executor"])
    if "guards" in table:
        table["guards"] = [_plugin_table(guard) for guard in table["guards"]]
    if "retry_policy" in document:
        table["retry"] = document["retry_policy"]
    return table | _triggers(document.get("schedule", ()))


def _triggers(schedule: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tables = [_plugin_table(trigger) for trigger in schedule]
    match tables:
        case []:
            return {}
        case [{"type": "cron", "expression": expression, **others}] if not others:
            return {"schedule": expression}
        case [table]:
            return {"trigger": table}
    return {"triggers": tables}


def _plugin_table(ref: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plugin as its type among its options; an id that the type gives it is not repeated."""
    named = {"id": ref["id"]} if ref.get("id", ref["type"]) != ref["type"] else {}
    return {"type": ref["type"], **named, **ref.get("options", {})}
