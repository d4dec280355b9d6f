"""Jobs that don't come from the configuration: definitions as documents, checked as strictly as a file."""

from collections.abc import Mapping
from typing import Any

from rae_auto.api.plugin import PluginSource
from rae_auto.config.options import check_plugins_of
from rae_auto.config.problems import Findings, Invalid, Key, one_line
from rae_auto.config.reading import plain
from rae_auto.config.structure import structure
from rae_auto.errors import InvalidJob
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import TriggerRef


def read_job(document: Mapping[str, Any]) -> Job:
    """The job of a definition as `rae_auto.model.documents.dump` writes it. Errors: InvalidJob with all problems."""
    findings = Findings()
    given = plain(dict(document), findings)
    try:
        findings.raise_if_any()
        return structure(given, Job)
    except Invalid as error:
        raise InvalidJob(_of(document.get("id") or document.get("name"), error)) from None


def check_job(job: Job, plugins: PluginSource, timezone: str) -> None:
    """Make sure that the plugins of a job exist and take its options; InvalidJob with all problems in one line."""
    findings = Findings()
    triggers: list[tuple[Key, TriggerRef]] = [(("schedule", index), ref) for index, ref in enumerate(job.schedule)]
    check_plugins_of(triggers, job.executor, plugins, timezone, findings)
    if findings.problems:
        raise InvalidJob(_of(job.id, Invalid(findings.problems)))


def _of(name: object, error: Invalid) -> str:
    text = str(error)
    return text if text.startswith("job ") else f"job {one_line(str(name), 64)!r}: {text}"
