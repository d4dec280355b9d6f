"""The help of the program as a whole: what it does, its options, its commands in groups, and those of plugins.

Laid out as click lays out the help of each command, whose page this program's own would be.
"""

import textwrap
from collections.abc import Iterable, Mapping

from rae_auto.cli.command_index import COMMAND_GROUPS
from rae_auto.cli.plugin_commands.index import find_plugin_commands, summarize
from rae_auto.views.tables import print_text, terminal_width

MIN_WIDTH, MAX_WIDTH = 50, 98

PLUGIN_SECTION = "From plugins"
"""The title under which the help shows the commands that plugins add."""

DESCRIPTION = """Run your automations on your own machine.

Write a rae.toml (rae-auto init), check it (rae-auto check, rae-auto simulate) and run it (rae-auto run).
"""

OPTIONS = {
    "--version": "Show the version and exit.",
    "--plugins-dir DIR": "Use the plugins in this folder too: single files NAME.py.",
    "--no-plugin NAME": "Don't use a plugin: its name, KIND:NAME, or its distribution.",
    "-h, --help": "Show this message and exit.",
}

EPILOG = """\
Configuration: the file of --config, or the nearest rae.toml here or in a
parent directory, or else rae.toml in your configuration directory
(on Linux ~/.config/rae-auto/rae.toml).

State: the directory that the environment variable RAE_STATE_DIR names, or
else the key state of the configuration, or else your state directory
(on Linux ~/.local/state/rae-auto).

'rae-auto COMMAND --help' explains a command, with an example. Without a
command you get the status if a daemon is running, else this help.

Exit codes: 0 done, 1 refused or failed, 2 bad usage or configuration,
3 no daemon is running, 130 Ctrl-C. A command that means something else
by one of them says so in its help.
"""


def show_help() -> None:
    """Print the help of the program."""
    print_text(format_help())


def format_help(width: int | None = None) -> str:
    """Return the help of the program in lines of this width, or by default as wide as the terminal within limits."""
    width = width or max(min(terminal_width() - 2, MAX_WIDTH), MIN_WIDTH)
    paragraphs = [_fill(paragraph, width, "  ") for paragraph in DESCRIPTION.strip().split("\n\n")]
    sections = {"Options": OPTIONS, **{title: rows for title, rows in _command_sections() if rows}}
    return "\n\n".join(
        [
            "Usage: rae-auto [OPTIONS] [COMMAND] [ARGS]...",
            *paragraphs,
            *(f"{title}:\n{_format_rows(rows, width)}" for title, rows in sections.items()),
            textwrap.indent(EPILOG.rstrip(), "  "),
        ]
    )


def _command_sections() -> Iterable[tuple[str, Mapping[str, str]]]:
    """Yield the summaries of commands by title, each padded so that they line up in all sections."""
    plugins = {name: summarize(points) for name, points in find_plugin_commands().items()}
    own = {title: {name: of.summary for name, of in group.items()} for title, group in COMMAND_GROUPS.items()}
    sections = {**own, PLUGIN_SECTION: plugins}
    column = max(len(name) for names in sections.values() for name in names)
    for title, rows in sections.items():
        yield title, {name.ljust(column): summary for name, summary in rows.items()}


def _format_rows(rows: Mapping[str, str], width: int) -> str:
    column = max(map(len, rows)) + 2
    lines: list[str] = []
    for name, text in rows.items():
        first, *others = textwrap.wrap(text, max(width - column - 2, 10))
        lines += [f"  {name.ljust(column)}{first}", *(" " * (column + 2) + line for line in others)]
    return "\n".join(lines)


def _fill(text: str, width: int, indent: str) -> str:
    return textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)
