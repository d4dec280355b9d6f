"""Findings, as `rae-auto doctor` shows them."""

from typing import Any, Protocol

from rae_auto.model.primitives.escaping import escape_line


class DoctorFinding(Protocol):
    """The result of one check: a problem if there is a hint."""

    @property
    def subject(self) -> str: ...
    @property
    def observation(self) -> str: ...
    @property
    def hint(self) -> str | None: ...


def finding_record(finding: DoctorFinding) -> dict[str, Any]:
    """Return the JSON of a finding, for users."""
    return {
        "subject": finding.subject,
        "observation": finding.observation,
        "ok": finding.hint is None,
        "hint": finding.hint,
    }


def finding_line(finding: DoctorFinding) -> str:
    """Return one line for a person."""
    mark = "ok     " if finding.hint is None else "problem"
    hint = f"; {finding.hint}" if finding.hint else ""
    return f"{mark}  {finding.subject}: {escape_line(finding.observation + hint)}"
