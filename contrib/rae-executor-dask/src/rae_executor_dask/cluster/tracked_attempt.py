"""An attempt as the helper knows it."""

from collections.abc import Callable, Mapping
from typing import Any

from rae_executor_dask.cluster.claims import Claim, ClaimFiles
from rae_executor_dask.remote.lost import REASONS

Message = dict[str, Any]


class TrackedAttempt:
    """An attempt: queued without a claim, or claimed, and followed at the place that the claim names."""

    def __init__(self, token: str, run: str, report: Callable[[Message], None]) -> None:
        self.token = token
        self.run = run
        self.work: Mapping[str, Any] | None = None
        """The request, and the facts that Dask needs to choose a worker; None of an attempt of an earlier daemon."""
        self.claim: Claim | None = None
        self.offset = 0
        self.is_reported = False
        """The daemon knows that it is alive."""
        self.is_away = False
        """It has no worker that answers now."""
        self.line: str | None = None
        """The address of the worker that is asked about it."""
        self.grace_end: float | None = None
        """The time at which it is to be killed, once it was asked to end."""
        self.unknown_since: float | None = None
        """The time since which the scheduler hasn't known the worker that it was started by."""
        self.is_over = False
        self._report = report

    def handle_report(self, report: Message) -> None:
        """Pass a report on to the daemon."""
        if self.is_over:
            return
        self.note_answer()
        if "data" in report:
            self.offset = max(self.offset, report["at"] + (len(report["data"]) * 3) // 4 - report["data"].count("="))
        elif "alive" in report:
            self.is_reported = True
        else:
            self.is_over = True
            if "ended" in report and report["ended"].get("error") in REASONS:
                report = {"token": self.token, "lost": True}
        self._report(report)

    def finish(self, outcome: str, value: object = True) -> None:
        """Report how it ended without a word from its keeper."""
        if not self.is_over:
            self.is_over = True
            self._report({"token": self.token, outcome: value})

    def note_taken(self) -> None:
        """Report that a worker has taken it out of the queue, which one, and how long ago."""
        assert self.claim is not None
        name, address = self.claim.get("name", ""), self.claim["address"]
        worker = f"worker {name} ({address})" if name not in ("", address) else f"worker {address}"
        self._report({"token": self.token, "taken": worker, "ago": ClaimFiles.find_age(self.claim)})

    def note_silence(self) -> None:
        """Report once that no worker answers for it."""
        if not self.is_away and not self.is_over:
            self.is_away = True
            self._report({"token": self.token, "away": True})

    def note_answer(self) -> None:
        """Report once that a worker answers for it again."""
        self.unknown_since = None
        if self.is_away:
            self.is_away = False
            self._report({"token": self.token, "away": False})
