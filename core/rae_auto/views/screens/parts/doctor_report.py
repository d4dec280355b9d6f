"""The findings of `rae-auto doctor`, as of the time at which it looked."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from attrs import frozen


@frozen(kw_only=True)
class FindingRow:
    """The result of one check of `rae-auto doctor`."""

    subject: str
    ok: bool
    """False if it is a problem."""
    level: str
    """"ok", "warning" or "problem"."""
    observation: str
    hint: str | None
    """The remedy."""


@frozen(kw_only=True)
class DoctorReport:
    """The problems that doctor found, which is asked beside a page because it takes a second."""

    at: datetime
    """When it looked."""
    problems: tuple[FindingRow, ...]


def build_doctor_report(findings: Iterable[Mapping[str, Any]], at: datetime) -> DoctorReport:
    """Return the report of the records of `rae-auto doctor --json`; warnings are about what works."""
    rows = (FindingRow(**finding) for finding in findings)
    return DoctorReport(at=at, problems=tuple(row for row in rows if not row.ok))
