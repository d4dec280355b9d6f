"""Findings, as `rae-auto doctor` shows them."""

from typing import Any, Protocol

from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.tables import style


class DoctorFinding(Protocol):
    """The result of one check: a problem or a warning if there is a hint."""

    @property
    def subject(self) -> str: ...
    @property
    def observation(self) -> str: ...
    @property
    def hint(self) -> str | None: ...
    @property
    def is_warning(self) -> bool: ...


def finding_record(finding: DoctorFinding) -> dict[str, Any]:
    """Return the JSON of a finding, for users."""
    return {
        "subject": finding.subject,
        "observation": finding.observation,
        "ok": _level_of(finding) != "problem",
        "level": _level_of(finding),
        "hint": finding.hint,
    }


def _level_of(finding: DoctorFinding) -> str:
    return "ok" if finding.hint is None else "warning" if finding.is_warning else "problem"


def finding_line(finding: DoctorFinding) -> str:
    """Return one line for a person."""
    level = _level_of(finding)
    mark = style(f"{level:7}", red=level == "problem", bold=level == "warning")
    hint = f"; {finding.hint}" if finding.hint else ""
    return f"{mark}  {finding.subject}: {escape_line(finding.observation + hint)}"
