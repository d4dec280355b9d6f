"""Messages by the notification service of the session bus, as Linux desktops have it, with actions as buttons.

Source: https://specifications.freedesktop.org/notification-spec/, version 1.3.
"""

import asyncio
import os
import subprocess
from contextlib import suppress
from html import escape

from rae_plugins.machine.bus import Bus, BusFailure, Signals, Target, find_session_bus_problem, session_bus
from rae_plugins.notifiers.desktop.screen import MessageScreen, ScreenAction, ScreenMessage

_SERVICE = "org.freedesktop.Notifications"
_NOTIFICATIONS = Target(_SERVICE, "/org/freedesktop/Notifications", _SERVICE)

ACTION_SECONDS = 3600.0
"""Time for which the buttons of a message work: so long is the connection to the bus kept open for them."""

MAX_LISTENING = 20
"""Number of messages whose buttons work at a time."""


class BusScreen(MessageScreen):
    """The notification service of the session bus."""

    def __init__(self) -> None:
        self._listening: list[asyncio.Task[None]] = []

    def find_problem(self) -> str | None:
        """Return why the session bus can't be there."""
        return find_session_bus_problem()

    async def show(self, message: ScreenMessage, seconds: float) -> None:
        """Show a message; its actions are carried out in the background."""
        shown = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(_show(message, shown))
        self._listening.append(task)
        task.add_done_callback(self._listening.remove)
        try:
            await asyncio.wait_for(asyncio.shield(shown), seconds)
        except BaseException:
            task.cancel()
            raise
        for oldest in self._listening[:-MAX_LISTENING]:
            oldest.cancel()


async def _show(message: ScreenMessage, shown: "asyncio.Future[None]") -> None:
    """Show a message, note that in `shown`, and wait for what people do with it."""
    try:
        async with session_bus() as bus, bus.signals(_SERVICE, f"interface='{_SERVICE}'") as signals:
            number, has_actions = await _notify(bus, message)
            if not shown.done():
                shown.set_result(None)
            if has_actions:
                with suppress(TimeoutError, BusFailure):
                    async with asyncio.timeout(ACTION_SECONDS):
                        await _await_action(signals, number, message)
    except Exception as error:
        if not shown.done():
            hint = "log in to a desktop, or install a notification service"
            shown.set_exception(RuntimeError(f"no message can be shown ({error}); {hint}"))


async def _await_action(signals: Signals, number: int, message: ScreenMessage) -> None:
    """Carry out the action that is chosen, if one is; return when the message is gone."""
    while True:
        signal = await signals.next()
        if signal.body[:1] != (number,):
            continue
        if signal.member == "ActionInvoked" and (action := message.actions.get(signal.body[1])):
            await asyncio.to_thread(_carry_out, action)
        if signal.member in ("ActionInvoked", "NotificationClosed"):
            return


async def _notify(bus: Bus, message: ScreenMessage) -> tuple[int, bool]:
    """Return the number of the message, and whether its actions are offered."""
    from dbus_fast import Variant

    (capabilities,) = await bus.call(_NOTIFICATIONS, "GetCapabilities", may_start=True)
    has_actions = "actions" in capabilities and bool(message.actions)
    buttons = [text for word, action in message.actions.items() for text in (word, action.label)]
    body = escape(message.body, quote=False) if "body-markup" in capabilities else message.body
    hints = {"urgency": Variant("y", 2 if message.is_urgent else 1), "desktop-entry": Variant("s", "rae-auto")}
    (number,) = await bus.call(
        _NOTIFICATIONS, "Notify", "susssasa{sv}i",
        "rae-auto", 0, "", message.title, body, buttons if has_actions else [], hints, -1, may_start=True,
    )  # fmt: skip
    return number, has_actions


def _carry_out(action: ScreenAction) -> None:
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            action.command,
            env={**os.environ, **action.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=60,
            check=False,
        )
