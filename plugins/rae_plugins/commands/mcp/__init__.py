"""Answer agents over MCP on stdin and stdout: why, simulate, history and more.

The protocol is that of the official SDK (PyPI `mcp`), which speaks the version of 2025-11-25 and the stateless one of
2026-07-28. Only `run` imports it. What the tools answer comes from `rae-auto COMMAND --json`, each in a process of its
own: a change of the configuration or of a plugin is seen at once, an answer that takes too long is ended, and an agent
never reads anything that a person doesn't get.
"""

from typing import ClassVar

import click
from attrs import field, frozen

from rae_auto.api import Command, CommandContext
from rae_auto.errors import PluginError
from rae_auto.hookspecs import hookimpl
from rae_plugins.commands.mcp.skill import read_skill

RAE_API = 1

MISSING_EXTRA = "rae-auto mcp needs further packages; run '{}'"


@frozen(kw_only=True)
class McpCommand(Command):
    """Answer agents over MCP (Model Context Protocol), on standard input and output, until the input ends.

    Agents may only read, unless --allow-actions is given. What they add says so in 'rae-auto show'.

    \b
    Example: claude mcp add rae-auto -- rae-auto mcp
             rae-auto mcp --skill > ~/.claude/skills/rae-auto/SKILL.md
    """

    type: ClassVar[str] = "mcp"

    allow_actions: bool = field(
        default=False,
        metadata={"help": "let agents run, cancel, pause, resume, add and remove jobs, and reload the configuration"},
    )
    skill: bool = field(default=False, metadata={"help": "print the instructions for agents (SKILL.md) instead"})

    def run(self, context: CommandContext) -> int:
        """Serve until the input ends, or print the skill. Errors: PluginError if the SDK isn't installed."""
        if self.skill:
            click.echo(read_skill(), nl=False)
            return 0
        try:
            from rae_plugins.commands.mcp.server import serve  # lazy: start-up
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("rae_plugins", "rae_auto"):
                raise
            from rae_auto.toolkit.extras import install_command  # lazy: only for a message

            raise PluginError(MISSING_EXTRA.format(install_command("mcp"))) from None
        serve(context, allow_actions=self.allow_actions)
        return 0


@hookimpl
def rae_commands() -> list[type[McpCommand]]:
    """Return the command."""
    return [McpCommand]
