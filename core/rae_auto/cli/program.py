"""The group of all commands. Each is imported when it is called, and its errors become one line and an exit code."""

import json
import os
import re
import sys
from importlib import import_module

import click

from rae_auto.cli.usage import CommandGroup, describe_usage_error
from rae_auto.errors import BadRequest, ConfigError, DaemonUnreachable, InvalidJob, SchedulerError
from rae_auto.model.primitives.escaping import escape_text
from rae_auto.paths import HomeUnknown

COMMAND_GROUPS = {
    "Run": {
        "run": "daemon", "stop": "daemon", "reload": "daemon",
        "trigger": "runs", "exec": "runs", "cancel": "runs", "event": "events",
    },
    "Look": {
        "status": "daemon", "list": "jobs", "show": "jobs", "next": "planning",
        "history": "history", "output": "runs", "why": "history", "stats": "history",
        "logs": "upkeep.logs", "health": "upkeep.health", "metrics": "upkeep.health",
    },
    "Change": {
        "add": "change.add", "edit": "change.edit", "rename": "change.rename",
        "remove": "jobs", "pause": "jobs", "resume": "jobs", "skip": "jobs",
    },
    "Plan": {"check": "planning", "simulate": "simulate", "test-trigger": "runs"},
    "Store": {
        "backup": "upkeep.backups", "restore": "upkeep.backups", "disk": "upkeep.disk", "prune": "upkeep.disk",
    },
    "Plugins": {"plugins": "plugins", "notify": "interactive.notify", "schema": "planning"},
    "Setup": {
        "init": "planning", "service": "upkeep.service", "doctor": "upkeep.doctor", "completion": "planning",
    },
}  # fmt: skip
"""The groups of the help: each command, and the module of `rae_auto.cli` that defines it as NAME_command."""

COMMANDS = {name: module for group in COMMAND_GROUPS.values() for name, module in group.items()}
"""Each command, and its module."""

_EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigError, 2),
    (InvalidJob, 2),
    (DaemonUnreachable, 3),
    (SchedulerError, 1),
    (OSError, 1),
)


class Program(CommandGroup):
    """A group that finds commands by name without importing the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = getattr(import_module(f"rae_auto.cli.{module}"), f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(command, click.Command)
        return command

    def command_sections(self) -> dict[str, list[str]]:
        return {title: list(commands) for title, commands in COMMAND_GROUPS.items()}


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
@click.pass_context
def program(context: click.Context) -> None:
    """Run your automations on your own machine.

    Write a rae.toml (rae-auto init), check it (rae-auto check, rae-auto simulate) and run it (rae-auto run).
    """
    if context.invoked_subcommand is None:
        from rae_auto.cli.interactive.overview import show_overview  # lazy: start-up

        if not show_overview():
            click.echo(context.get_help(), color=context.color)


def run(arguments: list[str]) -> int:
    """Run the program with these arguments and return the exit code."""
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
