"""The group of all commands. Each is imported when it is called, and its errors become one line and an exit code."""

import os
from collections.abc import Sequence
from importlib import import_module

import click

from rae_auto.cli.command_index import COMMANDS
from rae_auto.cli.failures import COMPLETION_VARIABLE, fail, run_reporting
from rae_auto.cli.plain.help_page import OPTIONS, format_help
from rae_auto.cli.plugin_commands.index import find_plugin_commands
from rae_auto.cli.plugin_commands.output import is_plugin_output_kept_apart, separate_plugin_output
from rae_auto.cli.usage import CommandGroup, describe_usage_error
from rae_auto.entry_points import DIRECTORY_VARIABLE, DISABLED_VARIABLE

_PLUGIN_OPTIONS = ("--plugins-dir", "--no-plugin")


class Program(CommandGroup):
    """A group that finds commands by name without importing the others: its own, and those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *find_plugin_commands()]

    def has_command(self, ctx: click.Context, name: str) -> bool:
        # The index of plugins is read only for a name that is not our own.
        return name in COMMANDS or name in find_plugin_commands()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        indexed = COMMANDS.get(cmd_name)
        if indexed is None:
            return _get_plugin_command(cmd_name) if cmd_name in find_plugin_commands() else None
        command = getattr(import_module(f"rae_auto.cli.{indexed.module}"), f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(command, click.Command)
        return command

    def get_help(self, ctx: click.Context) -> str:
        return format_help(ctx.terminal_width)


def _get_plugin_command(name: str) -> click.Command:
    from rae_auto.cli.plugin_commands.command import get_plugin_command  # lazy: start-up

    return get_plugin_command(name)


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(package_name="rae-auto", message="rae-auto %(version)s")
@click.option(
    "--plugins-dir",
    metavar="DIR",
    multiple=True,
    expose_value=False,
    is_eager=True,
    callback=lambda _context, _parameter, given: add_to_environment(DIRECTORY_VARIABLE, os.pathsep, given),
    help=OPTIONS["--plugins-dir DIR"],
)
@click.option(
    "--no-plugin",
    metavar="NAME",
    multiple=True,
    expose_value=False,
    is_eager=True,
    callback=lambda _context, _parameter, given: add_to_environment(DISABLED_VARIABLE, ",", given),
    help=OPTIONS["--no-plugin NAME"],
)
@click.pass_context
def program(context: click.Context) -> None:
    """Run a command; without one, show the status of a daemon that is running, or else the help."""
    if context.invoked_subcommand is None:
        from rae_auto.cli.interactive.overview import show_overview  # lazy: start-up

        show_overview()


def add_to_environment(variable: str, separator: str, given: Sequence[str]) -> None:
    """Add words to a variable of the environment, which the processes that this one starts see too."""
    if given:
        absolute = [os.path.abspath(one) for one in given] if separator == os.pathsep else given  # noqa: PTH100 - links
        os.environ[variable] = separator.join(filter(None, (os.environ.get(variable), *absolute)))


def _move_to_front(arguments: list[str]) -> list[str]:
    """Return the arguments with the options about plugins first, which may also stand behind the command."""
    moved: list[str] = []
    rest: list[str] = []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument in _PLUGIN_OPTIONS:
            moved += [argument, *[value for value in [next(left, None)] if value is not None]]
        elif argument.startswith(tuple(f"{name}=" for name in _PLUGIN_OPTIONS)):
            moved.append(argument)
        else:
            rest.append(argument)
    return [*moved, *rest]


def run(arguments: list[str]) -> int:
    """Run the program with these arguments and return the exit code."""
    arguments = _move_to_front(arguments)
    if is_plugin_output_kept_apart(arguments):
        separate_plugin_output()
    return run_reporting(arguments, lambda: _run(arguments))


def _run(arguments: list[str]) -> object:
    if COMPLETION_VARIABLE in os.environ:
        from rae_auto.cli.interactive.bash_words import add_bash_words

        add_bash_words()
    try:
        return program.main(arguments, prog_name="rae-auto", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        return fail(arguments, "BadUsage", describe_usage_error(error), 2)
