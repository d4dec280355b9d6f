"""Jobs that don't come from the configuration: definitions as documents, read as strictly as a file."""

from collections.abc import Mapping
from typing import Any

from rae_auto.config.structure import structure
from rae_auto.errors import InvalidJob
from rae_auto.model.job import Job
from rae_auto.model.primitives.json_values import plain
from rae_auto.model.primitives.problems import Findings, Invalid, one_line


def read_job(document: Mapping[str, Any]) -> Job:
    """Return the job of a document of `rae_auto.model.documents.dump`. Raises InvalidJob with all problems."""
    findings = Findings()
    given = plain(dict(document), findings)
    try:
        findings.raise_if_any()
        return structure(given, Job)
    except Invalid as error:
        raise InvalidJob(_of(document.get("id") or document.get("name"), error)) from None


def _of(name: object, error: Invalid) -> str:
    text = str(error)
    return text if text.startswith("job ") else f"job {one_line(str(name), 64)!r}: {text}"
