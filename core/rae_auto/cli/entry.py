"""The entry point of `rae-auto`."""

import gc
import os
import sys

from rae_auto._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

OBJECTS_BETWEEN_SEARCHES = 20_000
"""Number of objects that are made before Python looks for garbage among them, instead of 700."""


def main() -> int:
    """Run the program and return the exit code.

    0 done, 1 refused or failed, 2 bad usage or configuration, 3 no daemon.
    """
    if sys.argv[1:] == ["--version"]:
        # Scripts ask for this often; everything else has to import more.
        sys.stdout.write(f"rae-auto {__version__}\n")
        return 0
    # Of what a command imports nothing is garbage, and to look for it takes up to a fifth of the imports' time.
    gc.set_threshold(OBJECTS_BETWEEN_SEARCHES)
    if getattr(sys.stdout, "errors", None) == "strict":
        # Standard error does so by itself: in a locale without UTF-8 a character that is missing there ends no command.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    return _leave(run(sys.argv[1:]))


def _leave(code: int) -> int:
    """End the process at once, because to take its modules down takes as long as a tenth of a short command.

    With threads there may be more to wait for; so there may be with a measurement of coverage, which needs that module.
    Where the output can't be written, Python is left to report it. Returns the exit code in those cases.
    """
    if "threading" in sys.modules:
        return code
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except (OSError, ValueError):
        return code
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run the program with these arguments and return the exit code."""
    from rae_auto.cli.plain.calls import find_call  # lazy: start-up

    call = find_call(arguments)
    if call is None:
        from rae_auto.cli.program import run as run_any  # lazy: start-up

        return run_any(arguments)
    return _run_plain(arguments, call)


def _run_plain(arguments: list[str], call: "Callable[[], object]") -> int:
    # lazy: start-up
    from rae_auto.cli.failures import run_reporting
    from rae_auto.cli.plugin_commands.output import is_plugin_output_kept_apart, separate_plugin_output

    if is_plugin_output_kept_apart(arguments):
        separate_plugin_output()
    return run_reporting(arguments, call)
