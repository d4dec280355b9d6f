"""The entry point of `rae-auto`."""

import sys
from io import TextIOWrapper

from rae_auto._version import __version__


def main() -> int:
    """Run the program and return the exit code.

    0 done, 1 refused or failed, 2 bad usage or configuration, 3 no daemon.
    """
    if sys.argv[1:] == ["--version"]:
        # Scripts ask for this often; everything else has to import click.
        sys.stdout.write(f"rae-auto {__version__}\n")
        return 0
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        # Standard error does so by itself: in a locale without UTF-8 a character that is missing there ends no command.
        sys.stdout.reconfigure(errors="backslashreplace")
    from rae_auto.cli.program import run

    return run(sys.argv[1:])
