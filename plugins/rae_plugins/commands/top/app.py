"""The full-screen view with Textual: verdict, what needs you, jobs, and a lower pane about the selected job.

*What is drawn.* All values are screens of `rae_auto.screens`. They are read when the view opens, when the daemon says
that something has happened (at most once in `REFRESH_SECONDS`, however much happens), and once a minute, because the
verdict says how long it is until the next start; the output of a run that is going on once a second. Textual writes the
cells that differ, so a screen on which nothing changes costs no byte.
"""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, ComposeResult, SuspendNotSupported
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from rae_auto.api import CommandContext
from rae_auto.errors import DaemonUnreachable, PluginError, SchedulerError
from rae_plugins.commands.top import actions, frame
from rae_plugins.commands.top.frame import LARGE_PANES, PANE_NAMES, PaneRequest
from rae_plugins.commands.top.job_scroller import JobScroller
from rae_plugins.commands.top.keys import BINDINGS, KEY_LINE
from rae_plugins.commands.top.live import GONE, STANDBY_SECONDS, Link, job_of
from rae_plugins.commands.top.palette import LAYOUT, THEME, styled_text
from rae_plugins.commands.top.player import FRAME_SECONDS, Player, simulate_month
from rae_plugins.commands.top.reads import ScreenReads, reading
from rae_plugins.commands.top.styled_lines import Line, Part, line

if TYPE_CHECKING:
    from rae_auto.screens import JobRow, Overview, RecordSource

REFRESH_SECONDS = 0.1
MINUTE_SECONDS = 60.0


class TopApp(App[int]):
    """The view."""

    TITLE = "rae-auto"
    ENABLE_COMMAND_PALETTE = False
    CSS = LAYOUT
    BINDINGS: ClassVar[list[BindingType]] = list(BINDINGS)

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
        self._player: Player | None = None
        self._is_down = False
        self._changed = asyncio.Event()
        self._cancelling = actions.Confirmation()
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
        # A store without a daemon has a verdict of its own; that of a daemon which has gone is no longer true.
        if not self._is_down or not self._source.has_daemon:
            self._show("verdict", [frame.verdict_line(overview, width)])
        self._show("attention", frame.attention_lines(overview, width, frame.MAX_ATTENTION_LINES))
        self._show("day", [frame.day_line(overview, self._source.zone, width)])
        self._show("head", [frame.header_line(width)])
        self._fit_lower()
        self._show_title()

    def _fit_lower(self) -> None:
        """Give the lower pane the lines that the jobs don't need, or all of them while it is large."""
        lower = self.query_one("#lower")
        attention = min(len(self._shown.get("attention", ())), frame.MAX_ATTENTION_LINES + 1)
        height = self.size.height - self.query_one("#typed").has_class("-shown")
        found = frame.lower_height(height, attention, self.query_one(JobScroller).total)
        lower.styles.height = "1fr" if lower.has_class("-large") else found

    def _show_title(self) -> None:
        row = self.query_one(JobScroller).selected
        self._show("title", [frame.title_line(row, self._pane, is_playing=self._player is not None)])

    async def _show_pane(self) -> None:
        if self._player is not None:
            self._show_player()
        elif self._source is not None:
            lower, wanted = self.query_one("#lower", VerticalScroll), self._wanted_pane()
            is_at_end = self._pane == "output" and lower.scroll_offset.y >= lower.max_scroll_y
            row = self.query_one(JobScroller).selected
            place = PaneRequest(row, max(self.size.width - 2, 20), max(lower.size.height, 1))
            lines = await self._reads.read_pane(self._pane, self._source, place, lambda: wanted == self._wanted_pane())
            if lines is not None:
                self._show("pane", lines)
                if is_at_end:
                    lower.call_after_refresh(lower.scroll_end, animate=False)
        self._show_title()

    def _wanted_pane(self) -> tuple[str, str | None, bool]:
        """Return what the lower pane is to show: its name, the job that it is about, and whether a month is played."""
        row = self.query_one(JobScroller).selected
        return self._pane, None if row is None else row.job, self._player is not None

    def _show_player(self) -> None:
        if self._player is not None:
            height = self.query_one("#lower").size.height
            self._show("pane", self._player.lines(self.size.width - 2, max(height, 6)))

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
                table.redraw_running()
                # A read that takes longer than a second isn't ended by the next one, but goes first.
                is_reading = any(work.group == "output" and not work.is_finished for work in self.workers)
                if self._pane == "output" and table.is_job_running and not is_reading:
                    self._work(partial(self._try, self._show_pane), "output")

    # Events of the screen

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
        if self._player is None:
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

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while the person types; without its first character the input closes."""
        if not event.value and event.input.has_class("-shown"):
            self._close_input()
        elif event.value.startswith("/"):
            self._set_filter(event.value[1:])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter, or carry out the command: once, also if Enter is pressed twice."""
        if event.input.has_class("-shown"):
            self._close_input()
            if event.value.startswith(":"):
                self._carry_out(event.value[1:])

    def _set_filter(self, text: str) -> None:
        if text != self._filter:
            self._filter = text
            self.query_one(JobScroller).forget_rows()
            self._work(partial(self._try, self._read_rows), "rows", exclusive=True)

    def _close_input(self) -> None:
        typed = self.query_one("#typed", Input)
        typed.remove_class("-shown")
        self.query_one(JobScroller).focus()
        typed.display = False
        self._fit_lower()

    def _carry_out(self, text: str) -> None:
        verb, _, rest = text.strip().partition(" ")
        if rest.strip():
            self._set_filter(rest.strip())
        if verb in PANE_NAMES:
            self.action_pane(verb)
        elif verb in actions.TYPED and not rest.strip():
            self._act(actions.TYPED[verb], self.query_one(JobScroller).selected)
        elif verb in ("quit", "q"):
            self.exit(0)
        elif verb:
            self._say(actions.describe_refusal(verb), "waiting")

    # Keys

    def action_move(self, rows: int) -> None:
        """Move the selection, or scroll the lower pane where it is large."""
        lower = self.query_one("#lower", VerticalScroll)
        if lower.has_class("-large"):
            lower.scroll_relative(y=max(min(rows, lower.max_scroll_y), -lower.max_scroll_y), animate=False)
        else:
            self.query_one(JobScroller).move(rows)

    def action_enlarge(self) -> None:
        """Make the lower pane large."""
        self._set_large(is_large=True)

    def _set_large(self, *, is_large: bool) -> None:
        self.query_one("#lower").set_class(is_large, "-large")
        for part in ("#jobs", "#head", "#day"):
            self.query_one(part).set_class(is_large, "-hidden")
        self._fit_lower()
        self.call_after_refresh(self._changed.set)

    async def action_back(self) -> None:
        """Close what is open: the input, the player, the large pane, the filter."""
        typed = self.query_one("#typed", Input)
        if typed.has_class("-shown"):
            self._close_input()
            if typed.value.startswith("/"):
                self._set_filter("")
        elif self._player is not None:
            self._player = None
            self._set_large(is_large=False)
        elif self.query_one("#lower").has_class("-large"):
            if self._pane in LARGE_PANES:
                self._pane = "output" if self._pane_before in LARGE_PANES else self._pane_before
            self._set_large(is_large=False)
            self._work(self._follow_selection, "pane", exclusive=True)
        else:
            self._set_filter("")
        self._say(KEY_LINE)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Return whether a key does something now: / and : are letters while something is typed."""
        return action != "type" or not self.query_one("#typed").has_class("-shown")

    def action_type(self, first: str) -> None:
        """Open the input for a filter or a command."""
        typed = self.query_one("#typed", Input)
        typed.add_class("-shown")
        typed.display = True
        typed.select_on_focus = False
        typed.value = first + (self._filter if first == "/" else "")
        typed.cursor_position = len(typed.value)
        # At once, so that no letter which is typed quickly is taken for a key.
        self.screen.set_focus(typed)
        self._fit_lower()

    def action_pane(self, name: str) -> None:
        """Show something else in the lower pane."""
        if name != self._pane:
            self._pane, self._pane_before = name, self._pane
        self._player = None
        self._set_large(is_large=name in LARGE_PANES)
        self._work(self._follow_selection, "pane", exclusive=True)

    async def action_simulate(self) -> None:
        """Play the coming month."""
        self._say("simulating the coming month …")
        self._work(self._start_player, "player", exclusive=True)

    async def _start_player(self) -> None:
        try:
            self._player = await simulate_month(self._command.config)
        except (PluginError, OSError) as error:
            self._say(str(error), "bad")
            return
        self._set_large(is_large=True)
        self._say("space pauses   . goes to the next decision   Esc ends")
        self._show_title()
        while self._player is not None:
            self._show_player()
            await asyncio.sleep(FRAME_SECONDS)
            if self._player is not None:
                self._player.move(FRAME_SECONDS)

    def action_toggle_player(self) -> None:
        """Pause the simulation, or go on."""
        if self._player is not None:
            self._player.toggle()

    def action_step_player(self) -> None:
        """Go to the next decision of the simulation."""
        if self._player is not None:
            self._player.step()

    async def action_act(self, action: str) -> None:
        """Run, cancel or pause the selected job; cancelling takes a second press."""
        row, now = self.query_one(JobScroller).selected, asyncio.get_running_loop().time()
        if row is None:
            return
        is_asking = action == "cancel" and row.open_runs and not self._is_read_only
        if is_asking and not self._cancelling.is_confirmed(row.job, now):
            self._say(f"press x again to cancel {len(row.open_runs)} open of {row.job}", "waiting")
        else:
            self._act(action, row)

    def _act(self, action: str, row: "JobRow | None") -> None:
        """Do something to the job that is selected now, whichever is when it is done."""

        async def act(row: "JobRow") -> None:
            text, is_done = await actions.act(self._command, action, row, is_read_only=self._is_read_only)
            self._say(text, "good" if is_done else "waiting")

        if row is not None:
            self._work(partial(act, row), "act")

    def action_edit(self) -> None:
        """Edit the definition of the selected job in the person's editor."""
        row = self.query_one(JobScroller).selected
        if row is None or self._is_read_only:
            self._say(actions.READ_ONLY, "waiting")
            return
        try:
            with self.suspend():
                subprocess.run(actions.edit_command(row.job, self._command.config), check=False)
        except SuspendNotSupported:
            self._say(f"no editor can open in this terminal; use 'rae-auto edit {row.job}' in another one", "waiting")
        self.refresh(layout=True)
        self._changed.set()
