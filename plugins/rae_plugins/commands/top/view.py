"""The full-screen view with Textual: verdict, what needs you, jobs, and a lower pane about the selected job.

*What is drawn.* All values are screens of `rae_auto.screens`. They are read when the view opens, when the daemon says
that something has happened (at most once in `REFRESH_SECONDS`, however much happens), and once a minute, because the
verdict says how long it is until the next start; the output of a run that is going on once a second. Textual writes the
cells that differ, so a screen on which nothing changes costs no byte.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from rae_auto.api import CommandContext
from rae_auto.errors import DaemonUnreachable, SchedulerError
from rae_plugins.commands.top import actions, frame
from rae_plugins.commands.top.frame import PaneRequest
from rae_plugins.commands.top.job_scroller import JobScroller
from rae_plugins.commands.top.keys import KEY_LINE
from rae_plugins.commands.top.live import GONE, STANDBY_SECONDS, Link, job_of
from rae_plugins.commands.top.palette import LAYOUT, THEME, styled_text
from rae_plugins.commands.top.playback.player import Player
from rae_plugins.commands.top.reads import ScreenReads, reading
from rae_plugins.commands.top.styled_lines import Line, Part, line

if TYPE_CHECKING:
    from rae_auto.screens import JobRow, Overview, RecordSource

REFRESH_SECONDS = 0.1
MINUTE_SECONDS = 60.0
PANE_MARGIN = 3
"""The columns of the lower pane that have no text: one at each side, and that of its scroll bar."""


class JobsView(App[int]):
    """The parts of the view, and what fills them; `TopApp` adds the keys."""

    TITLE = "rae-auto"
    ENABLE_COMMAND_PALETTE = False
    CSS = LAYOUT

    def __init__(self, context: CommandContext, *, read_only: bool = False) -> None:
        """Show the jobs of the daemon of `context`; with `read_only` nothing can be done to them."""
        super().__init__()
        self._command = context
        self._is_read_only = read_only
        self._source: RecordSource | None = None
        self._overview: Overview | None = None
        self._reads = ScreenReads()
        self._filter = ""
        self._pane = self._pane_before = "output"
        self._is_simulating = False
        self._player: Player | None = None
        """The player of the simulation, once the first line has come."""
        self._is_down = False
        self._changed = asyncio.Event()
        self._confirmation = actions.Confirmation()
        self._shown: dict[str, Any] = {}
        self.is_ready = asyncio.Event()
        """Set when the first frame is complete."""

    def compose(self) -> ComposeResult:
        """Lay out the parts from top to bottom."""
        yield Static(id="verdict")
        yield Static(id="attention")
        yield Static(id="day")
        yield Static(id="head")
        yield JobScroller(self._draw_row, id="jobs")
        yield Static(id="title")
        with VerticalScroll(id="lower", can_focus=False):
            yield Static(id="pane")
        yield Input(id="typed", compact=True)
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Draw what is known at once, and read the rest."""
        self.register_theme(THEME)
        self.theme = THEME.name
        self._show("verdict", [line(Part(" ● ", "muted"), Part("reading …", "muted"))])
        self._say(KEY_LINE)
        self.query_one(JobScroller).focus()
        # After the first frame: a store of ten thousand jobs takes seconds to read.
        self.call_after_refresh(self.run_worker, self._live, group="live", exit_on_error=False)
        self.set_interval(1.0, self._tick)
        self.set_interval(MINUTE_SECONDS, self._changed.set)
        self.set_interval(STANDBY_SECONDS, self._look_at_leader)

    # Reading

    def _work(self, work: Callable[[], Any], group: str, *, exclusive: bool = False) -> None:
        """Do something beside the screen; given as a function, as it may be cancelled before it starts."""
        self.run_worker(work, group=group, exclusive=exclusive, exit_on_error=False)

    async def _live(self) -> None:
        # In a thread, so that the first frame is drawn meanwhile.
        await asyncio.to_thread(reading)
        try:
            while True:
                async with reading().open_records(self._command.config) as source:
                    self._source = source
                    self._is_down = not source.has_daemon
                    await self._refresh()
                    if not self.is_ready.is_set():
                        self.is_ready.set()
                        self._work(self._follow, "follow")
                    await self._refresh_when_changed(source)
        except (SchedulerError, OSError) as error:
            self.exit(3 if isinstance(error, DaemonUnreachable) else 1, message=f"rae-auto: {error}")

    async def _refresh_when_changed(self, source: "RecordSource") -> None:
        """Read again whenever something has happened; return when another source is to be opened."""
        while self._source is source and (source.has_daemon or self._is_down):
            await self._changed.wait()
            self._changed.clear()
            started = asyncio.get_running_loop().time()
            try:
                await self._refresh()
            except DaemonUnreachable:
                self._set_down(is_down=True)
            took = asyncio.get_running_loop().time() - started
            # A large configuration in a storm of events leaves most of the processor to others.
            await asyncio.sleep(max(REFRESH_SECONDS, 2 * took))

    async def _follow(self) -> None:
        async for event in reading().follow_daemon(self._command.state_directory):
            if isinstance(event, Link):
                self._set_down(is_down=event is Link.DOWN)
                self._reads.forget()
                # Neither read shows what happened between them.
                self.set_timer(5 * REFRESH_SECONDS, self._changed.set)
            else:
                self._forget(event)
            self._changed.set()

    def _look_at_leader(self) -> None:
        if self._reads.forget_led(self._overview):
            self._changed.set()

    def _forget(self, event: Any) -> None:
        """Read again what an event is about."""
        if event.get("kind") == "configuration":
            self._source = None  # The time zone may be another one now.
        if (job := job_of(event)) is not None:
            self._reads.forget(job)
        note_change = getattr(self._source, "note_change", None)
        if event.get("kind") == "job" and note_change is not None:
            note_change()

    async def _refresh(self) -> None:
        source = self._source
        if source is None:
            return
        self._overview = await reading().load_overview(source)
        await self._read_rows()
        self._show_overview()
        await self._show_pane()
        if self._overview.strip.is_pending:
            self.set_timer(1.0, self._changed.set)

    async def _read_rows(self) -> None:
        table, source = self.query_one(JobScroller), self._source
        if source is not None and not await self._reads.read_rows(source, table, lambda: self._filter):
            self._changed.set()

    # Drawing

    def _draw_row(self, row: "JobRow", width: int) -> Line:
        assert self._source is not None
        return frame.job_line(row, self._source.zone, self._source.now(), width)

    def _show(self, where: str, lines: list[Line]) -> None:
        """Show lines in a part of the screen, if they aren't there already."""
        if self._shown.get(where) != lines:
            # Only what grows and shrinks is laid out again: that draws the whole screen.
            is_growing = where in ("attention", "pane") and len(self._shown.get(where, ())) != len(lines)
            self._shown[where] = lines
            self.query_one(f"#{where}", Static).update(styled_text(lines), layout=is_growing)

    def _say(self, text: str, role: str = "muted") -> None:
        self._show("keys", [line(Part(f" {text}", role))])

    def _show_overview(self) -> None:
        overview, width = self._overview, self.size.width
        if overview is None or self._source is None:
            return
        self._show_verdict()
        self._show("attention", frame.attention_lines(overview, width, has_keys=not self._is_read_only))
        # Without a line it would take one.
        self.query_one("#attention").display = bool(self._shown["attention"])
        self._show("day", [frame.day_line(overview, self._source.zone, width)])
        self._show("head", [frame.header_line(width)])
        self._fit_lower()
        self._show_title()

    def _show_verdict(self) -> None:
        source = self._source
        # A store without a daemon has a verdict of its own; that of the last daemon is outdated.
        if self._overview is not None and source is not None and not (self._is_down and source.has_daemon):
            self._show("verdict", [frame.verdict_line(self._overview, self.size.width, source.now())])

    def _fit_lower(self) -> None:
        """Give the lower pane the lines that the jobs don't need, or all of them while it is large.

        The parts stay where they are while a filter shows fewer jobs.
        """
        lower, jobs = self.query_one("#lower"), self.query_one(JobScroller).total
        if self._overview is not None:
            jobs = max(jobs, self._overview.counts.jobs)
        attention = len(self._shown.get("attention", ()))
        height = self.size.height - self.query_one("#typed").has_class("-shown")
        found = frame.lower_height(height, attention, jobs)
        lower.styles.height = "1fr" if lower.has_class("-large") else found

    def _show_title(self) -> None:
        row = self.query_one(JobScroller).selected
        self._show("title", [frame.title_line(row, self._pane, is_playing=self._is_simulating)])

    async def _show_pane(self) -> None:
        if self._is_simulating:
            self._show_player()
        elif self._source is not None:
            lower, wanted = self.query_one("#lower", VerticalScroll), self._wanted_pane()
            is_at_end = self._pane == "output" and lower.scroll_offset.y >= lower.max_scroll_y
            row = self.query_one(JobScroller).selected
            place = PaneRequest(row, max(self.size.width - PANE_MARGIN, 20), max(lower.size.height, 1))
            lines = await self._reads.read_pane(self._pane, self._source, place, lambda: wanted == self._wanted_pane())
            if lines is not None:
                self._show("pane", lines)
                if is_at_end:
                    lower.call_after_refresh(lower.scroll_end, animate=False)
        self._show_title()

    def _wanted_pane(self) -> tuple[str, str | None, bool]:
        """Return what the lower pane is to show: its name, the job that it is about, and whether a month is played."""
        row = self.query_one(JobScroller).selected
        return self._pane, None if row is None else row.job, self._is_simulating

    def _show_player(self) -> None:
        if self._player is None:
            self._show("pane", [line(Part(" simulating the coming month …", "muted"))])
        else:
            height = self.query_one("#lower").size.height
            self._show("pane", self._player.lines(self.size.width - 2, max(height, 6)))

    def _end_player(self) -> None:
        """End the simulation, and the process that computes it."""
        self._is_simulating, self._player = False, None
        self.workers.cancel_group(self, "player")

    def _set_down(self, *, is_down: bool) -> None:
        if is_down != self._is_down:
            self._is_down = is_down
            if is_down:
                self._show("verdict", [line(Part(" ▲ ", "bad"), Part(GONE, "strong"))])
            else:
                self._say("The daemon is back")

    def _tick(self) -> None:
        if self._source is not None and not self._is_down:
            # It is gone already while the screen is being closed.
            for table in self.query(JobScroller):
                self._show_verdict()
                table.redraw_running()
                # A read that takes longer than a second isn't ended by the next one, but goes first.
                is_reading = any(work.group == "output" and not work.is_finished for work in self.workers)
                if self._pane == "output" and table.is_job_running and not is_reading:
                    self._work(partial(self._try, self._show_pane), "output")

    # Changes of what is shown

    async def on_job_scroller_rows_needed(self) -> None:
        """Read rows that have come into view."""
        self._work(partial(self._try, self._read_rows), "rows", exclusive=True)

    async def _try(self, read: Callable[[], Awaitable[None]]) -> None:
        try:
            await read()
        except (SchedulerError, OSError):
            self._changed.set()

    def on_job_scroller_selected(self) -> None:
        """Have the lower pane follow the selection."""
        self._show_title()
        if not self._is_simulating:
            self._work(self._follow_selection, "pane", exclusive=True)

    async def _follow_selection(self) -> None:
        # While scrolling through many jobs, the pane is not read.
        await asyncio.sleep(REFRESH_SECONDS / 2)
        await self._show_pane()
        lower = self.query_one("#lower", VerticalScroll)
        lower.scroll_to(y=lower.max_scroll_y if self._pane == "output" else 0, animate=False)

    def on_resize(self) -> None:
        """Draw again in the new width."""
        self._show_overview()
        self._changed.set()

    def _set_filter(self, text: str) -> None:
        if text != self._filter:
            self._filter = text
            self.query_one(JobScroller).forget_rows()
            self._work(partial(self._try, self._read_rows), "rows", exclusive=True)

    def _select_job(self, job: str) -> None:
        """Select a job, without the filter if that hides it."""
        table = self.query_one(JobScroller)
        if not table.select_job(job):
            self._set_filter("")
            table.select_job(job)
            self._work(partial(self._try, self._read_rows), "rows", exclusive=True)

    def _set_large(self, *, is_large: bool) -> None:
        self.query_one("#lower").set_class(is_large, "-large")
        for part in ("#jobs", "#head", "#day"):
            self.query_one(part).set_class(is_large, "-hidden")
        self._fit_lower()
        self.call_after_refresh(self._changed.set)
