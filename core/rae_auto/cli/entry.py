"""The program `rae-auto`: answers at once what it can, and turns every error into one line and an exit code."""

import sys

from rae_auto._version import __version__


def main() -> int:
    """Run the program. Its exit codes: 0 done, 1 refused or failed, 2 bad usage or configuration, 3 no daemon."""
    if sys.argv[1:] == ["--version"]:
        # Asked by scripts, often; everything else costs an import of click.
        sys.stdout.write(f"rae-auto {__version__}\n")
        return 0
    from rae_auto.cli.program import run

    return run(sys.argv[1:])
