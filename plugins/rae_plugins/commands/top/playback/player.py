"""The simulation player: the decisions of the coming month, played in twenty seconds while they are computed."""

import asyncio
import json
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from attrs import define, field, frozen

from rae_auto.errors import PluginError
from rae_plugins.commands.top.cells import state_mark
from rae_plugins.commands.top.styled_lines import Line, Part, cut, fit, line

PLAYED_SECONDS = 20.0
FRAME_SECONDS = 0.2
AHEAD = timedelta(days=2)
"""The time that is read before it is played; the simulation waits where it is further."""

MAX_KEPT = 200
"""Number of decisions of the past that are kept to be shown."""

MAX_LINE_BYTES = 1 << 20


@frozen
class PlayedDecision:
    """A decision of the simulation, a start or a skip with its reason; or how many more there are in an hour."""

    at: datetime
    job: str
    state: str
    text: str
    count: int = 1


@define
class Player:
    """A position in a simulated span, of which `take` hands over hour by hour. `lines` shows it."""

    since: datetime
    until: datetime
    zone: ZoneInfo
    assumptions: tuple[str, ...] = ()
    at: datetime = field()
    known_until: datetime = field()
    """The end of the hours that are computed."""
    is_playing: bool = True
    _is_stepping: bool = False
    """True if the next decision is to be shown as soon as it is known."""
    _problem: str = ""
    _coming: deque[PlayedDecision] = field(factory=deque)
    _latest: deque[PlayedDecision] = field(factory=lambda: deque(maxlen=MAX_KEPT))
    _days: dict[date, Counter[str]] = field(factory=dict)

    @at.default
    def _begin(self) -> datetime:
        return self.since

    @known_until.default
    def _know_nothing(self) -> datetime:
        return self.since

    @property
    def wants_more(self) -> bool:
        """Return whether the next hour is to be read."""
        return self.known_until < self.until and (self.known_until - self.at < AHEAD or self._is_stepping)

    @property
    def is_over(self) -> bool:
        """Return whether the whole span has been played."""
        return self.at >= self.until

    def take(self, step: Mapping[str, Any]) -> None:
        """Take the next hour."""
        self.known_until = _instant(step["until"])
        self._coming += [PlayedDecision(_instant(at), *words) for at, *words in step["decisions"]]
        for state, count in step["left"].items():
            self._coming.append(PlayedDecision(self.known_until, "", state, f"and {count:,} more", count))
        if self._is_stepping:
            self.step()

    def cut_short(self, problem: str) -> None:
        """Take what is known for the whole, because of a problem."""
        self.until, self._problem = self.known_until, problem
        self._is_stepping = False

    def move(self, seconds: float) -> None:
        """Play for this many seconds, as far as it is computed."""
        if self.is_playing:
            there = self.at + (self.until - self.since) * (seconds / PLAYED_SECONDS)
            self._go_to(min(there, self.known_until))
            self.is_playing = not self.is_over

    def toggle(self) -> None:
        """Pause, or go on."""
        self.is_playing, self._is_stepping = not self.is_playing and not self.is_over, False

    def step(self) -> None:
        """Stop at the next decision, as soon as that is computed."""
        self.is_playing, self._is_stepping = False, not self._coming and self.known_until < self.until
        if not self._is_stepping:
            self._go_to(self._coming[0].at if self._coming else self.until)

    def _go_to(self, at: datetime) -> None:
        self.at = at
        while self._coming and self._coming[0].at <= at:
            one = self._coming.popleft()
            self._latest.append(one)
            self._days.setdefault(one.at.astimezone(self.zone).date(), Counter())[one.state] += one.count

    def lines(self, width: int, height: int) -> list[Line]:
        """Return the clock, how far it is, what is assumed, the days so far, and the latest decisions."""
        is_waiting = self._is_stepping or (self.is_playing and self.at >= self.known_until < self.until)
        bar = max(width - 52, 10)
        played, known = (int((at - self.since) / (self.until - self.since) * bar) for at in (self.at, self.known_until))
        done = sum(sum(counts.values()) for counts in self._days.values())
        head = line(
            Part(f" {'▶' if self.is_playing else '‖'} ", "busy"),
            Part(self.at.astimezone(self.zone).strftime("%a %d %b %H:%M"), "strong"),
            "  ",
            Part("━" * played, "good"),
            Part("─" * (known - played) + "·" * (bar - known), "muted"),
            f"  {done:,} decisions",
            Part("  computing …" if is_waiting else "", "waiting"),
        )
        assumed = cut(line(Part(f" assumed: {'; '.join(self.assumptions) or 'nothing'}", "muted")), width)
        if self._problem:
            only = f" only up to {self.until.astimezone(self.zone):%a %d %b %H:%M}: {self._problem}"
            assumed = cut(line(Part(only, "bad")), width)
        days = self._day_lines(width)
        shown = list(self._latest)[-max(height - len(days) - 3, 1) :]
        return [cut(head, width), assumed, (), *days, *(self._decision_line(one) for one in reversed(shown))]

    def _day_lines(self, width: int) -> list[Line]:
        first = self.since.astimezone(self.zone).date()
        days = [first + timedelta(days=number) for number in range((self.until - self.since).days + 1)]
        per_line = max((width - 2) // 12, 1)
        lines = []
        for number in range(0, len(days), per_line):
            parts = [part for day in days[number : number + per_line] for part in _day_cell(day, self._days.get(day))]
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
    starts, skips = counts["running"], counts["skipped"]
    text = f"{state_mark('running').text}{starts}" if starts else ""
    more = f"{state_mark('skipped').text}{skips}" if skips else ""
    return [label, Part(text, "good"), Part(fit(more, 9 - len(text)), "muted")]


def make_player(head: Mapping[str, Any]) -> Player:
    """Return a player of the span that the first line of a simulation names."""
    since, until = _instant(head["since"]), _instant(head["until"])
    return Player(since, until, ZoneInfo(head["zone"]), tuple(head["assumptions"]))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


class MonthSimulation:
    """The process that simulates, read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read(self) -> Mapping[str, Any]:
        """Return what the next line says. Errors: PluginError, where it is an error, or the process has ended."""
        assert self._process.stdout is not None
        text = await self._process.stdout.readline()
        try:
            found: Mapping[str, Any] = json.loads(text)
        except ValueError:
            raise PluginError("the simulation failed; see 'rae-auto simulate'") from None
        if "error" in found:
            raise PluginError(f"can't simulate: {found['error']}")
        return found

    async def read_ahead(self, player: Player) -> None:
        """Hand over hours to a player, as far as it wants them. Errors: PluginError before the first one."""
        while player.known_until < player.until:
            if not player.wants_more:
                await asyncio.sleep(FRAME_SECONDS)
                continue
            try:
                player.take(await self.read())
            except PluginError as error:
                if player.known_until == player.since:
                    raise
                player.cut_short(str(error))


@asynccontextmanager
async def simulate_month(config: Path | None) -> AsyncIterator[MonthSimulation]:
    """Simulate a configuration in a process of its own, which is ended with the block. Errors: PluginError, OSError."""
    if config is None:
        raise PluginError("no configuration to simulate; name one with --config")
    command = ["-P", "-m", "rae_plugins.commands.top.playback.month_process", str(config)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, limit=MAX_LINE_BYTES,
    )  # fmt: skip
    try:
        yield MonthSimulation(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        # To its end: a process is not waited for while unread lines hold up its pipe.
        await process.communicate()
