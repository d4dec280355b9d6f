"""Jobs that come from elsewhere than the configuration: documents, checked as strictly as a file."""

from collections.abc import Mapping
from typing import Any

from rae_auto.config.structure import structure
from rae_auto.errors import InvalidJob
from rae_auto.model.job import Job
from rae_auto.model.primitives.escaping import shorten_line
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.json_values import plain
from rae_auto.model.primitives.problems import Invalid, ProblemCollector


def read_job(document: Mapping[str, Any]) -> Job:
    """Return the job of a document of `rae_auto.model.documents.dump`. Raises InvalidJob with all problems."""
    findings = ProblemCollector()
    given = plain(dict(document), findings)
    try:
        findings.raise_if_any()
        return structure(given, Job)
    except Invalid as error:
        raise InvalidJob(_add_job(document.get("id") or document.get("name"), error)) from None


def _add_job(name: object, error: Invalid) -> str:
    text = str(error)
    return text if text.startswith("job ") else f"job {quote(shorten_line(str(name), 64))}: {text}"
