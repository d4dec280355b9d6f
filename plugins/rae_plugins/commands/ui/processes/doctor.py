"""The latest report of doctor, for the first page. It runs in a process of its own: it takes a second, and memory.

It is asked again once its answer is old, and only when a page that shows it is asked for.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rae_auto.screens import DoctorReport, HealthPage
    from rae_plugins.commands.ui.site import Site

MAX_AGE = timedelta(minutes=15)
"""The age from which doctor is asked again."""

MAX_SECONDS = 60
"""Time that it has, on a slow machine."""

ReadFindings = Callable[[Path | None], Coroutine[Any, Any, list[dict[str, Any]]]]


class DoctorRuns:
    """Asks doctor in the background, and has its latest report."""

    def __init__(
        self, read_findings: "ReadFindings | None" = None, note_end: Callable[[], None] = lambda: None
    ) -> None:
        """Ask doctor with a function; `note_end` is called each time it has looked."""
        self._note_end = note_end
        self._read_findings = run_doctor if read_findings is None else read_findings
        self._latest: DoctorReport | None = None
        self._shown: HealthPage | None = None
        self._tried_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_looking(self) -> bool:
        """True while doctor looks, and there is no report yet."""
        return self._latest is None and self._task is not None and not self._task.done()

    def latest(self, config: Path | None, now: datetime) -> "DoctorReport | None":
        """Return the latest report, or None; ask for another one if it is old."""
        is_running = self._task is not None and not self._task.done()
        if not is_running and (self._tried_at is None or now - self._tried_at >= MAX_AGE):
            self._tried_at = now
            self._task = asyncio.create_task(self._look(config))
            self._task.add_done_callback(lambda _: self._note_end())
        return self._latest

    def note(self, report: "DoctorReport", shown: "HealthPage | None" = None) -> None:
        """Take a report that a person has asked for, which is newer, and the page that shows it."""
        self._latest, self._tried_at, self._shown = report, report.at, shown

    def find_shown(self, now: datetime) -> "HealthPage | None":
        """Return the last page with findings, which stay on pages that are kept up to date; None once it is old."""
        shown = self._shown
        is_recent = shown is not None and shown.findings_at is not None and now - shown.findings_at < MAX_AGE
        return shown if is_recent else None

    async def _look(self, config: Path | None) -> None:
        from rae_auto.screens import build_doctor_report  # lazy: start-up

        # What doctor can't find out now it will find out the next time.
        with suppress(OSError, ValueError, TimeoutError, KeyError, TypeError):
            found = await asyncio.wait_for(self._read_findings(config), MAX_SECONDS)
            self._latest = build_doctor_report(found, datetime.now(UTC))

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


def doctor_of(site: "Site") -> DoctorRuns:
    """Return what asks doctor, the same for all pages."""
    if site.doctor is None:
        site.doctor = DoctorRuns(note_end=site.live.note_computed)
    return site.doctor


async def run_doctor(config: Path | None) -> list[dict[str, Any]]:
    """Return the findings of 'rae-auto doctor'. Errors: OSError, ValueError."""
    options = [] if config is None else [f"--config={config}"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "rae_auto", "doctor", "--json", *options),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    findings: list[dict[str, Any]] = json.loads(output)["findings"]
    return findings
