"""Messages by scripts that macOS and Windows run for it. Their texts never become part of a script's commands.

Neither offers buttons to a program without a signed bundle, or a registered application of its own.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from rae_auto.model.primitives.formatting import quote
from rae_auto.toolkit.environment import inherited_environment
from rae_auto.toolkit.programs import find_inherited_program_problem
from rae_plugins.notifiers.desktop.screen import MessageScreen, ScreenMessage

_TOAST = """
$kind = [Windows.UI.Notifications.ToastTemplateType, Windows.UI.Notifications, ContentType = WindowsRuntime]
$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$content = $manager::GetTemplateContent($kind::ToastText02)
$texts = $content.GetElementsByTagName('text')
$texts.Item(0).AppendChild($content.CreateTextNode($env:RAE_TITLE)) | Out-Null
$texts.Item(1).AppendChild($content.CreateTextNode($env:RAE_BODY)) | Out-Null
$app = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'
$manager::CreateToastNotifier($app).Show([Windows.UI.Notifications.ToastNotification]::new($content))
exit
"""
"""The application is PowerShell's own, by whose id Windows knows that it may show messages."""


class MacScreen(MessageScreen):
    """Notification Centre, by AppleScript. The script comes by standard input, so that no argument has the message."""

    def find_problem(self) -> str | None:
        """Return that osascript is missing."""
        return find_inherited_program_problem("osascript")

    async def show(self, message: ScreenMessage, seconds: float) -> None:
        """Show a message, with a sound if it is urgent."""
        sound = ' sound name "Basso"' if message.is_urgent else ""
        script = f"display notification {_literal(message.body)} with title {_literal(message.title)}{sound}\n"
        await _run(["osascript", "-"], script, {}, seconds)


class WindowsScreen(MessageScreen):
    """The toasts of Windows, by PowerShell. The texts come as variables, the script by standard input."""

    def find_problem(self) -> str | None:
        """Return that PowerShell is missing."""
        return find_inherited_program_problem("powershell")

    async def show(self, message: ScreenMessage, seconds: float) -> None:
        """Show a message."""
        texts = {"RAE_TITLE": message.title, "RAE_BODY": message.body}
        await _run(["powershell", "-NoProfile", "-NonInteractive", "-Command", "-"], _TOAST, texts, seconds)


def _literal(text: str) -> str:
    """Return a text as AppleScript writes it; quotes and backslashes are all that needs care in there."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def _run(argv: Sequence[str], given: str, variables: Mapping[str, str], seconds: float) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**inherited_environment(os.environ), **variables},
        )
    except OSError as error:
        raise RuntimeError(f"{quote(argv[0])} can't be started ({error.strerror}); put it on PATH") from None
    try:
        _, errors = await asyncio.wait_for(process.communicate(given.encode()), seconds)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        said = " ".join(errors.decode(errors="replace").split())[:200]
        raise RuntimeError(f"{quote(argv[0])} failed with exit code {process.returncode}: {said}")
