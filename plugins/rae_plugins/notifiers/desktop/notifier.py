"""The desktop notifier: from a notice to a message on the screen, with what a person may want to do next."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Notice, Notifier
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.notices import find_output_file, notice_facts, notice_title
from rae_plugins.notifiers.desktop.screen import MessageScreen, ScreenAction, ScreenMessage

_SHOWN_FACTS = ("duration", "exit code", "failures in a row", "why it ran", "next run")

MAX_OUTPUT_LINES = 4
MAX_BODY_CHARACTERS = 1000


def make_screen(platform: str) -> MessageScreen:
    """Return the screen of a platform, as `sys.platform` names it."""
    if platform == "darwin":
        from rae_plugins.notifiers.desktop.script_screens import MacScreen

        return MacScreen()
    if platform == "win32":
        from rae_plugins.notifiers.desktop.script_screens import WindowsScreen

        return WindowsScreen()
    from rae_plugins.notifiers.desktop.bus_screen import BusScreen

    return BusScreen()


def _own_screen() -> MessageScreen:
    return make_screen(sys.platform)


@frozen(kw_only=True)
class DesktopNotifier(Notifier):
    """Shows each notice on the screen of the user who runs the daemon; on Linux with buttons."""

    type: ClassVar[str] = "desktop"

    actions: bool = field(
        default=True, metadata={"help": "false: no buttons that show the output and run the job again (Linux only)"}
    )
    timeout: timedelta = field(
        default=timedelta(seconds=10), converter=parse_duration, metadata={"help": "time that showing it may take"}
    )
    _screen: MessageScreen = field(init=False, factory=_own_screen, eq=False, repr=False)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return why no message can be shown now; for `doctor` alone, because `check` may run without a desktop."""
        problem = self._screen.find_problem()
        return () if problem is None else (problem,)

    async def notify(self, notice: Notice) -> None:
        """Show the notice. Errors: RuntimeError, with the remedy."""
        message = make_message(notice, has_actions=self.actions)
        seconds = self.timeout.total_seconds()
        try:
            await self._screen.show(message, seconds)
        except TimeoutError:
            raise RuntimeError(f"the message was not shown within {seconds:g} s; is a desktop running?") from None


def make_message(notice: Notice, *, has_actions: bool) -> ScreenMessage:
    """Return the message for a notice: a few facts, and the last lines of output."""
    facts = dict(notice_facts(notice))
    lines = [one.text for one in notice.notices]
    lines += [f"{label}: {facts[label]}" for label in _SHOWN_FACTS if label in facts]
    lines += notice.output.splitlines()[-MAX_OUTPUT_LINES:]
    return ScreenMessage(
        title=notice_title(notice),
        body="\n".join(lines)[:MAX_BODY_CHARACTERS],
        is_urgent=not notice.kind.is_good,
        actions=_actions(notice) if has_actions else {},
    )


def _actions(notice: Notice) -> Mapping[str, ScreenAction]:
    actions: dict[str, ScreenAction] = {}
    if not notice.state_directory:
        return actions
    path = find_output_file(notice)
    if path is not None and notice.output:
        actions["output"] = ScreenAction(label="Show output", command=("xdg-open", str(path)))
    if notice.job:
        variables: dict[str, Any] = {"RAE_STATE_DIR": notice.state_directory}
        command = (sys.executable, "-P", "-m", "rae_auto", "trigger", notice.job)
        actions["again"] = ScreenAction(label="Run again", command=command, variables=variables)
    return actions
