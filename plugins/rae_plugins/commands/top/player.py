"""The simulation player: the decisions of the coming month, played in twenty seconds."""

import asyncio
import json
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define, field, frozen

from rae_auto.errors import PluginError
from rae_plugins.commands.top.cells import state_mark
from rae_plugins.commands.top.styled_lines import Line, Part, fit, line

PLAYED_DAYS = 30
PLAYED_SECONDS = 20.0
FRAME_SECONDS = 0.1


@frozen
class PlayedDecision:
    """A decision of the simulation: a run or a skip, with its reason."""

    at: datetime
    job: str
    state: str
    text: str


@define
class Player:
    """A position in a simulated span. `moved` and `step` change it; `lines` shows it."""

    since: datetime
    until: datetime
    zone: ZoneInfo
    decisions: list[PlayedDecision]
    at: datetime = field()
    is_playing: bool = True

    @at.default
    def _begin(self) -> datetime:
        return self.since

    def move(self, seconds: float) -> None:
        """Play for this many seconds of real time."""
        if self.is_playing:
            self.at = min(self.at + (self.until - self.since) * (seconds / PLAYED_SECONDS), self.until)
            self.is_playing = self.at < self.until

    def toggle(self) -> None:
        """Pause, or go on; from the beginning if it is over."""
        if self.at >= self.until:
            self.at = self.since
        self.is_playing = not self.is_playing

    def step(self) -> None:
        """Stop at the next decision."""
        self.is_playing = False
        after = [decision.at for decision in self.decisions[self._count() : self._count() + 1]]
        self.at = after[0] if after else self.until

    def _count(self) -> int:
        return bisect_right(self.decisions, self.at, key=lambda decision: decision.at)

    def lines(self, width: int, height: int) -> list[Line]:
        """Return the clock, how far it is, the days so far, and the latest decisions."""
        done = self._count()
        there = self.at.astimezone(self.zone)
        bar = max(width - 44, 10)
        filled = int((self.at - self.since) / (self.until - self.since) * bar)
        head = line(
            Part(f" {'▶' if self.is_playing else '‖'} ", "busy"),
            Part(there.strftime("%a %d %b %H:%M"), "strong"),
            "  ",
            Part("━" * filled, "good"),
            Part("─" * (bar - filled), "muted"),
            f"  {done:,} of {len(self.decisions):,}",
        )
        days = self._day_lines(done, width)
        latest = self.decisions[max(done - max(height - len(days) - 3, 1), 0) : done]
        return [head, (), *days, *(self._decision_line(one) for one in reversed(latest))]

    def _day_lines(self, done: int, width: int) -> list[Line]:
        counts: dict[date, Counter[str]] = {}
        for one in self.decisions[:done]:
            counts.setdefault(one.at.astimezone(self.zone).date(), Counter())[one.state] += 1
        first = self.since.astimezone(self.zone).date()
        days = [first + timedelta(days=number) for number in range((self.until - self.since).days + 1)]
        per_line = max((width - 2) // 12, 1)
        lines = []
        for number in range(0, len(days), per_line):
            parts = [part for day in days[number : number + per_line] for part in _day_cell(day, counts.get(day))]
            lines.append(line(" ", *parts))
        return [*lines, ()]

    def _decision_line(self, one: PlayedDecision) -> Line:
        at = one.at.astimezone(self.zone).strftime("%a %d %b %H:%M")
        return line(
            " ", state_mark(one.state), " ", Part(fit(at, 18), "muted"), fit(one.job, 24), Part(one.text, "muted")
        )


def _day_cell(day: date, counts: Counter[str] | None) -> list[Part]:
    label = Part(f"{day:%d} ", "muted")
    if not counts:
        return [label, Part(" " * 9)]
    runs, skips = sum(count for state, count in counts.items() if state != "skipped"), counts["skipped"]
    text = f"●{runs}" if runs else ""
    more = f"○{skips}" if skips else ""
    return [label, Part(text, "good"), Part(fit(more, 9 - len(text)), "muted")]


def make_player(forecast: Mapping[str, Any]) -> Player:
    """Return a player of what `rae-auto simulate --json` prints."""
    zone = ZoneInfo(forecast["timezone"])
    runs = [
        PlayedDecision(_instant(run["started_at"] or run["queued_at"]), run["job"], run["state"], _text_of(run))
        for run in forecast["runs"]
    ]
    skips = [
        PlayedDecision(_instant(skip["scheduled_for"]), skip["job"], "skipped", skip["reason_text"] or "")
        for skip in forecast["skips"]
    ]
    decisions = sorted([*runs, *skips], key=lambda decision: decision.at)
    return Player(_instant(forecast["from"]), _instant(forecast["until"]), zone, decisions)


def _text_of(run: Mapping[str, Any]) -> str:
    return run["reason_text"] or str(run["cause"]).replace("_", " ")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def simulate_month(config: Path | None) -> Player:
    """Simulate the configuration in a process of its own. Raises PluginError with its message."""
    options = [] if config is None else [f"--config={config}"]
    command = ["-P", "-m", "rae_auto", "simulate", f"--days={PLAYED_DAYS}", "--json", *options]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=pipe, stderr=pipe)
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    try:
        return make_player(json.loads(output))
    except ValueError:
        text = " ".join(errors.decode(errors="replace").split())
        raise PluginError(f"can't simulate: {text[:500] or 'no answer'}") from None
