"""The findings of `rae-auto doctor` for screens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rae_auto.errors import SchedulerError
from rae_auto.offline.doctor.diagnosis import diagnose_all
from rae_auto.offline.doctor.facts import Machine
from rae_auto.views.findings import finding_record


def read_findings(config: Path | None, answer: Mapping[str, Any] | SchedulerError) -> list[dict[str, Any]]:
    """Return the findings about a configuration, and about the daemon by its status or by why there is none."""
    pid = None if isinstance(answer, SchedulerError) else answer["pid"]
    return [finding_record(finding) for finding in diagnose_all(config, Machine.inspect(pid), answer)]
