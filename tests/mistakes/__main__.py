"""The mistakes of plugin authors again: what the commands and a daemon say of each, as a table.

    python -m tests.mistakes [NUMBER …] [--no-daemon] [--parallel N] [--record]

A letter each for what is said: P the plugin, D its distribution, L file and line, R a hint. `--record` keeps the
results for the documentation, which `python docs/generate.py` brings up to date.
"""

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.mistakes.campaign import Outcome, run_mistake
from tests.mistakes.planted import PLANTED, Planted
from tests.mistakes.results import describe_counts, describe_row, record_results, result_of


def main() -> None:
    """Play the mistakes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*")
    parser.add_argument("--no-daemon", action="store_true")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    wanted = [mistake for mistake in PLANTED if not arguments.numbers or mistake.number in arguments.numbers]
    results = []
    with ProcessPoolExecutor(arguments.parallel) as pool:
        for outcome in pool.map(partial(play, with_daemon=not arguments.no_daemon), wanted):
            results.append(result_of(outcome))
            print(describe_row(results[-1]), flush=True)
            if arguments.numbers:
                describe(outcome)
            if arguments.record:
                record_results(results, [mistake.number for mistake in PLANTED])
    print(describe_counts(results))


def play(mistake: Planted, *, with_daemon: bool) -> Outcome:
    """Play a mistake in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="rae-mistake-") as folder:
        return run_mistake(mistake, Path(folder), with_daemon=with_daemon)


def describe(outcome: Outcome) -> None:
    """Print all that is known of a mistake."""
    print("  check: ", outcome.check.says, "\n  daemon:", outcome.daemon and outcome.daemon.says)
    print("  stop:  ", outcome.stop_seconds, "ticks:", outcome.ticks)
    print(*outcome.log[-40:], sep="\n    ")


if __name__ == "__main__":
    main()
