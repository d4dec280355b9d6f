"""The group of all commands. Each is imported when it is called, and its errors become one line and an exit code."""

import json
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from rae_auto.cli.command_index import COMMAND_GROUPS, COMMANDS
from rae_auto.cli.plugin_commands.index import find_plugin_commands, summarize
from rae_auto.cli.plugin_commands.output import is_plugin_output_kept_apart, separate_plugin_output
from rae_auto.cli.usage import CommandGroup, describe_usage_error
from rae_auto.errors import BadRequest, ConfigError, DaemonUnreachable, InvalidJob, SchedulerError
from rae_auto.model.primitives.escaping import escape_text
from rae_auto.paths import DIRECTORY_VARIABLE, DISABLED_VARIABLE, HomeUnknown

_EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigError, 2),
    (InvalidJob, 2),
    (DaemonUnreachable, 3),
    (SchedulerError, 1),
    (OSError, 1),
)


_PLUGIN_OPTIONS = ("--plugins-dir", "--no-plugin")

PLUGIN_SECTION = "From plugins"
"""The title under which the help shows the commands that plugins add."""


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

    def command_sections(self) -> dict[str, list[str]]:
        own = {title: list(commands) for title, commands in COMMAND_GROUPS.items()}
        return {**own, PLUGIN_SECTION: list(find_plugin_commands())}

    def summary_of(self, ctx: click.Context, name: str) -> str:
        return COMMANDS[name].summary if name in COMMANDS else summarize(find_plugin_commands()[name])


def _get_plugin_command(name: str) -> click.Command:
    from rae_auto.cli.plugin_commands.command import get_plugin_command  # lazy: start-up

    return get_plugin_command(name)


EPILOG = """
\b
Configuration: the file of --config, or the nearest rae.toml here or in a
parent directory, or else rae.toml in your configuration directory
(on Linux ~/.config/rae-auto/rae.toml).

\b
State: the directory that the environment variable RAE_STATE_DIR names, or
else the key state of the configuration, or else your state directory
(on Linux ~/.local/state/rae-auto).

\b
'rae-auto COMMAND --help' explains a command, with an example. Without a
command you get the status if a daemon is running, else this help.
"""


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
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
    help="Use the plugins in this folder too: single files NAME.py.",
)
@click.option(
    "--no-plugin",
    metavar="NAME",
    multiple=True,
    expose_value=False,
    is_eager=True,
    callback=lambda _context, _parameter, given: add_to_environment(DISABLED_VARIABLE, ",", given),
    help="Don't use a plugin: its name, KIND:NAME, or its distribution.",
)
@click.pass_context
def program(context: click.Context) -> None:
    """Run your automations on your own machine.

    Write a rae.toml (rae-auto init), check it (rae-auto check, rae-auto simulate) and run it (rae-auto run).
    """
    if context.invoked_subcommand is None:
        from rae_auto.cli.interactive.overview import show_overview  # lazy: start-up

        if not show_overview():
            click.echo(context.get_help(), color=context.color)


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
    try:
        result = program.main(arguments, prog_name="rae-auto", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        return _fail(arguments, "BadUsage", describe_usage_error(error), 2)
    except BrokenPipeError:
        # The reader has closed the pipe; without this Python would report it again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    except (SchedulerError, OSError) as error:
        return _report(arguments, error)
    except RuntimeError as error:
        # Raised by `Path.expanduser` for each path from ~ on, all over the program.
        if "home directory" not in str(error):
            raise
        return _fail(arguments, "HomeUnknown", str(HomeUnknown()), 1)
    except ExceptionGroup as group:
        # A command that does the same for several jobs has an error for each that failed.
        return max(_report(arguments, error) for error in group.exceptions)
    return result if isinstance(result, int) else 0


def _report(arguments: list[str], error: Exception) -> int:
    """Print an error and return its exit code."""
    if isinstance(error, BadRequest):
        # The daemon names the argument of the request, and the command line has an option for it.
        message = re.sub(r"^(since|until|before|at): ", r"--\1: ", str(error))
        return _fail(arguments, type(error).__name__, message, 2)
    code = next(code for kind, code in _EXIT_CODES if isinstance(error, kind))
    return _fail(arguments, type(error).__name__, _text(error), code)


def _fail(arguments: list[str], kind: str, message: str, code: int) -> int:
    if "--json" in arguments:
        click.echo(json.dumps({"error": {"kind": kind, "message": message}}), err=True)
    else:
        for line in message.splitlines():
            click.echo(f"rae-auto: {escape_text(line)}", err=True)
    return code


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, SchedulerError):
        file = f"{error.filename}: " if error.filename else ""
        return f"{file}{error.strerror or error}"
    return str(error)
