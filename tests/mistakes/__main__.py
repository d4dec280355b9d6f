"""The mistakes of plugin authors again: what the commands and a daemon say of each, as a table.

    python -m tests.mistakes [NUMBER …] [--no-daemon] [--output FILE]

A letter each for what is said: P the plugin, D its distribution, L file and line, R a hint.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mistakes.campaign import Outcome, run_mistake
from tests.mistakes.planted import PLANTED


def main() -> None:
    """Run the mistakes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*")
    parser.add_argument("--no-daemon", action="store_true")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    outcomes = []
    for mistake in PLANTED:
        if not arguments.numbers or mistake.number in arguments.numbers:
            with tempfile.TemporaryDirectory(prefix="rae-mistake-") as folder:
                outcome = run_mistake(mistake, Path(folder), with_daemon=not arguments.no_daemon)
            outcomes.append(outcome)
            print(row(outcome), flush=True)
            if arguments.numbers:
                print("  check: ", outcome.check.says, "\n  daemon:", outcome.daemon and outcome.daemon.says)
                print("  stop:  ", outcome.stop_seconds, "ticks:", outcome.ticks)
                print(*outcome.log[-40:], sep="\n    ")
            if arguments.output:
                arguments.output.write_text(table(outcomes))
    print(summary(outcomes))


def row(outcome: Outcome) -> str:
    """Return the row of a mistake."""
    daemon = outcome.daemon.mark if outcome.daemon else ""
    stop = f", stop {outcome.stop_seconds:.0f} s" if (outcome.stop_seconds or 0) >= 3 else ""
    one = outcome.mistake
    says = (outcome.check.says if outcome.check.is_whole else (outcome.daemon or outcome.check).says) or one.quiet
    text = " ".join(says.split()).replace("|", "\\|")[:180]
    return f"| {one.number} | {one.what} | {outcome.check.mark} | {daemon} | {outcome.state}{stop} | {text} |"


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table of all mistakes, with its count."""
    head = "| # | mistake | `check` | daemon | daemon is | a line that says it |\n|---|---|---|---|---|---|\n"
    return head + "".join(f"{row(one)}\n" for one in outcomes) + f"\n{summary(outcomes)}\n"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the counts that the review closes with."""
    best = [one.check if one.check.is_whole or one.daemon is None else _better(one) for one in outcomes]
    whole = sum(one.is_whole for one in best)
    named = sum(one.distribution for one in best)
    silent = [one.mistake for one, answer in zip(outcomes, best, strict=True) if not answer.says]
    unnamed, quiet = ([one.number for one in silent if bool(one.quiet) is has] for has in (False, True))
    dead = [one.mistake.number for one in outcomes if one.state == "needs kill -9" or one.state.startswith("ends")]
    return (
        f"{len(outcomes)} mistakes: named with the distribution {named}, also with file, line and hint {whole}; "
        f"not named {len(unnamed)} ({', '.join(unnamed) or 'none'}), for a reason {len(quiet)} "
        f"({', '.join(quiet) or 'none'}); daemon ended or needed kill -9: "
        f"{', '.join(dead) or 'none'}."
    )


def _better(outcome: Outcome) -> "type[object] | object":
    assert outcome.daemon is not None
    return max(outcome.check, outcome.daemon, key=lambda one: (one.is_whole, one.distribution, bool(one.says)))


main()
