"""Watch all jobs on a full screen: what runs, what needs you, and why.

The screen is drawn with Textual, which only `run` imports; `--once` and `--plain` do without it. All that is shown are
values of `rae_auto.screens`.
"""

import sys
from pathlib import Path
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import Command, CommandContext
from rae_auto.errors import BadRequest, PluginError
from rae_auto.hookspecs import hookimpl

RAE_API = 1

NO_TERMINAL = (
    "rae-auto top needs a terminal, and {} is not one; use --once for one frame as text, --plain for each change"
)
MISSING_EXTRA = "rae-auto top needs further packages; run '{}'"


def _find_missing_terminal() -> str:
    """Return the name of a standard stream that isn't a terminal, "" if all are: the screen is drawn on the last."""
    streams = {"standard input": sys.stdin, "standard output": sys.stdout, "standard error": sys.stderr}
    return next((name for name, stream in streams.items() if stream is None or not stream.isatty()), "")


@frozen(kw_only=True)
class TopCommand(Command):
    """Watch all jobs on a full screen, as things happen. Press ? for the keys.

    With --once the exit code is 1 if something needs you, as the frame says.

    \b
    Example: rae-auto top
             rae-auto top --plain >> jobs.log
    """

    type: ClassVar[str] = "top"

    once: bool = field(default=False, metadata={"help": "print one frame as text, and end; with --plain as sentences"})
    plain: bool = field(
        default=False, metadata={"help": "print each change as a sentence on a line of its own, for screen readers"}
    )
    svg: str = field(default="", metadata={"help": "write one frame as a picture to this file, and end"})
    read_only: bool = field(default=False, metadata={"help": "do nothing but watch: no runs, no pauses, no editing"})

    def run(self, context: CommandContext) -> int:
        """Show the jobs until the person leaves. Errors: PluginError if Textual isn't installed, ConfigError."""
        import asyncio  # lazy: start-up

        if self.svg and (self.once or self.plain):
            raise BadRequest("--svg writes a picture and ends; use it without --once and --plain")
        if self.once or self.plain:
            from rae_plugins.commands.top.plain import print_changes, print_frame, print_state  # lazy: start-up

            shown = (print_state if self.once else print_changes) if self.plain else print_frame
            return asyncio.run(shown(context))
        if not self.svg and (stream := _find_missing_terminal()):
            raise BadRequest(NO_TERMINAL.format(stream))
        try:
            from rae_plugins.commands.top.app import TopApp  # lazy: start-up
            from rae_plugins.commands.top.palette import write_picture
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("rae_plugins", "rae_auto"):
                raise
            from rae_auto.toolkit.extras import install_command  # lazy: only for a message

            raise PluginError(MISSING_EXTRA.format(install_command("ui"))) from None
        app = TopApp(context, read_only=self.read_only)
        if self.svg:
            asyncio.run(write_picture(app, app.is_ready, Path(self.svg)))
            return 0
        app.run()
        return app.return_code or 0


@hookimpl
def rae_commands() -> list[type[TopCommand]]:
    """Return the command."""
    return [TopCommand]
