"""The keys of the full-screen view, and the prompt: what a person does to the view, and to jobs."""

import asyncio
import subprocess
from functools import partial
from time import monotonic
from typing import ClassVar

from textual.app import SuspendNotSupported
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input

from rae_auto.errors import PluginError
from rae_auto.model.primitives.formatting import quote
from rae_plugins.commands.top import actions
from rae_plugins.commands.top.frame import LARGE_PANES, PANE_NAMES
from rae_plugins.commands.top.job_scroller import JobScroller
from rae_plugins.commands.top.keys import BINDINGS, KEY_LINE
from rae_plugins.commands.top.playback.player import FRAME_SECONDS, make_player, simulate_month
from rae_plugins.commands.top.view import JobsView


class TopApp(JobsView):
    """The view with its keys."""

    BINDINGS: ClassVar[list[BindingType]] = list(BINDINGS)

    # The prompt

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

    def _close_input(self) -> None:
        typed = self.query_one("#typed", Input)
        typed.remove_class("-shown")
        self.query_one(JobScroller).focus()
        typed.display = False
        self._fit_lower()

    def _carry_out(self, text: str) -> None:
        word, _, job = (part.strip() for part in text.strip().partition(" "))
        row = self.query_one(JobScroller).selected
        if word in PANE_NAMES:
            self._work(partial(self._try, partial(self._open_pane, word, job)), "typed", exclusive=True)
        elif word in actions.TYPED:
            if job or row is not None:
                self._act(word, job or (row.job if row else ""))
        elif word in ("quit", "q"):
            self.exit(0)
        elif word:
            self._say(actions.describe_unknown(word), "waiting")

    async def _open_pane(self, name: str, job: str) -> None:
        """Show a pane about a job, or about the selected one."""
        if job and self._source is not None:
            if not await self._reads.has_job(self._source, job):
                self._say(f"no job {quote(job)}; press / to find one", "waiting")
                return
            self._select_job(job)
        self.action_pane(name)

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

    async def action_back(self) -> None:
        """Close what is open: the input, the player, the large pane, the filter."""
        typed = self.query_one("#typed", Input)
        if typed.has_class("-shown"):
            self._close_input()
            if typed.value.startswith("/"):
                self._set_filter("")
        elif self._is_simulating:
            self._end_player()
            self._set_large(is_large=False)
            self._work(self._follow_selection, "pane", exclusive=True)
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
        self._end_player()
        self._set_large(is_large=name in LARGE_PANES)
        self._work(self._follow_selection, "pane", exclusive=True)

    def action_simulate(self) -> None:
        """Play the coming month."""
        self._end_player()
        self._is_simulating = True
        self._set_large(is_large=True)
        self._say("Space pauses   . goes to the next decision   Esc ends")
        self._show_title()
        self._show_player()
        self._work(self._play, "player", exclusive=True)

    async def _play(self) -> None:
        try:
            async with simulate_month(self._command.config) as month:
                player = self._player = make_player(await month.read())
                reading, before = asyncio.create_task(month.read_ahead(player)), monotonic()
                try:
                    while True:
                        self._show_player()
                        if reading.done():
                            reading.result()
                        await asyncio.sleep(FRAME_SECONDS)
                        now = monotonic()
                        player.move(now - before)
                        before = now
                finally:
                    reading.cancel()
        except (PluginError, OSError) as error:
            await self.action_back()
            self._say(str(error), "bad")

    def action_toggle_player(self) -> None:
        """Pause the simulation, or go on."""
        if self._player is None:
            self._say(self._describe_no_player(), "waiting")
        elif self._player.is_over:
            self._say("the month is over; press s to play it again", "waiting")
        else:
            self._player.toggle()

    def action_step_player(self) -> None:
        """Go to the next decision of the simulation."""
        if self._player is None:
            self._say(self._describe_no_player(), "waiting")
        else:
            self._player.step()

    def _describe_no_player(self) -> str:
        if self._is_simulating:
            return "the simulation has not begun to play yet; Esc ends it"
        return "nothing is played; press s to simulate the coming month"

    async def action_act(self, action: str) -> None:
        """Run, cancel or pause the selected job; cancelling takes a second press."""
        row, now = self.query_one(JobScroller).selected, asyncio.get_running_loop().time()
        if row is None:
            return
        is_asking = action == "cancel" and row.open_runs and not self._is_read_only
        if is_asking and not self._confirmation.is_confirmed(row.job, now):
            self._say(f"press x again to cancel {len(row.open_runs)} open of {row.job}", "waiting")
        else:
            self._act(actions.action_of_key(action, row), row.job)

    def action_attend(self, number: int) -> None:
        """Select the job of a line about what needs a person; at the second press do what the line says."""
        found, now = actions.find_attention(self._overview, number), asyncio.get_running_loop().time()
        if self._is_read_only or found is None or found.job is None:
            self._say(actions.READ_ONLY if self._is_read_only else f"no line above has the key {number}", "waiting")
        # The lines move by themselves: one press could mean another than the person has read.
        elif self._confirmation.is_confirmed(found.action.command, now):
            self._act(found.action.kind, found.job, run=found.run_id if found.action.kind == "cancel" else None)
        else:
            self._select_job(found.job)
            self._say(f"{found.job}: press {number} again to {found.action.label}", "waiting")

    def _act(self, action: str, job: str, run: str | None = None) -> None:
        """Do something to a job, or to one run of it."""

        async def act() -> None:
            text, is_done = await actions.act(self._command, action, job, run=run, is_read_only=self._is_read_only)
            self._say(text, "good" if is_done else "waiting")

        self._work(act, "act")

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
