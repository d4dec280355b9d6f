"""The frame of each command: an error becomes one line with its exit code; before it, what a person has missed.

Imports neither click nor what only some commands need.
"""

import os
import re
import sys
from collections.abc import Callable

from rae_auto.errors import BadRequest, ConfigError, DaemonUnreachable, InvalidJob, SchedulerError
from rae_auto.model.primitives.escaping import escape_text
from rae_auto.views.tables import print_text

COMPLETION_VARIABLE = "_RAE_AUTO_COMPLETE"
"""The variable of the environment with which a shell asks for completions, whatever the arguments are."""

EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigError, 2),
    (InvalidJob, 2),
    (DaemonUnreachable, 3),
    (SchedulerError, 1),
    (OSError, 1),
)
"""The exit code of each kind of error; the first that fits counts."""


_printed: set[str] = set()


def print_once(notice: str) -> None:
    """Print a notice to standard error, unless this command has printed the same before."""
    if notice not in _printed:
        print_text(f"rae-auto: {notice}", err=True)
    _printed.add(notice)


def run_reporting(arguments: list[str], call: Callable[[], object]) -> int:
    """Call what does the work of a command with these arguments; return the exit code, and print an error if any."""
    _printed.clear()
    try:
        if is_typed(arguments):
            from rae_auto.cli.interactive.absence import say_absence  # lazy: start-up

            say_absence(arguments)
        result = call()
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
        from rae_auto.paths import HomeUnknown  # lazy: start-up

        return fail(arguments, "HomeUnknown", str(HomeUnknown()), 1)
    except ExceptionGroup as group:
        # A command that does the same for several jobs has an error for each that failed.
        return max(_report(arguments, error) for error in group.exceptions)
    return result if isinstance(result, int) else 0


QUIET_WORDS = frozenset({"--json", "--help", "-h", "--version", "completion"})
"""Words with which a command prints that alone which it is asked for."""

QUIET_VARIABLES = frozenset({COMPLETION_VARIABLE, "RAE_RUN_ID"})
"""Variables of the environment of a shell that asks for completions, and of a job."""


def is_typed(arguments: list[str]) -> bool:
    """Return whether a person has typed a command on a terminal, to read what it prints.

    The daemon in the foreground prints its log, and imports no more than it needs.
    """
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return (
        QUIET_WORDS.isdisjoint(words)
        and words[:1] != ["run"]
        and QUIET_VARIABLES.isdisjoint(os.environ)
        and all(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr))
    )


def _report(arguments: list[str], error: Exception) -> int:
    """Print an error and return its exit code."""
    if isinstance(error, BadRequest):
        # The daemon names the argument of the request, and the command line has an option for it.
        message = re.sub(r"^(since|until|before|at): ", r"--\1: ", str(error))
        return fail(arguments, type(error).__name__, message, 2)
    code = next(code for kind, code in EXIT_CODES if isinstance(error, kind))
    return fail(arguments, type(error).__name__, _text(error), code)


def fail(arguments: list[str], kind: str, message: str, code: int) -> int:
    """Print an error, as JSON if that is asked for, and return the exit code."""
    if "--json" in arguments:
        import json  # lazy: start-up

        print_text(json.dumps({"error": {"kind": kind, "message": message}}), err=True)
    else:
        for line in message.splitlines():
            print_text(f"rae-auto: {escape_text(line)}", err=True)
    return code


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, SchedulerError):
        file = f"{error.filename}: " if error.filename else ""
        return f"{file}{error.strerror or error}"
    return str(error)
