"""Results of the mistakes, as the documentation has them: one for each, kept in a file beside this one."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import asdict, frozen
from tests.mistakes.campaign import Answer, Outcome

RESULTS = Path(__file__).with_name("results.json")
MAX_LINE_CHARACTERS = 200

_PLACES = re.compile(r"[^\s\"'(]*/(?=rae_bad\.py|rae\.toml|rae_bad-1\.0\.dist-info|rae_worse-1\.0\.dist-info)")
_PYTHON = re.compile(r"[^\s\"'(]*/(?=[\w.-]+\.py)")
"""Folders of the machine that played a mistake."""


@frozen
class Result:
    """A mistake, and how it was named: letters for what was said, the state of the daemon, and a line that says it."""

    number: str
    what: str
    check: str
    daemon: str
    state: str
    line: str
    quiet: str = ""

    @property
    def is_named(self) -> bool:
        return {self.check, self.daemon} - {"-", ""} != set()

    def has(self, letters: str) -> bool:
        """Return whether the check or the daemon says all of this."""
        return any(set(letters) <= set(mark) for mark in (self.check, self.daemon))

    @property
    def ends_daemon(self) -> bool:
        return self.state == "needs kill -9" or self.state.startswith("ends")


def result_of(outcome: Outcome) -> Result:
    """Return the result of a mistake that was played."""
    mistake, daemon = outcome.mistake, outcome.daemon
    best = outcome.check if outcome.check.is_whole or daemon is None else _better(outcome.check, daemon)
    return Result(
        number=mistake.number,
        what=mistake.what,
        check=outcome.check.mark,
        daemon=daemon.mark if daemon else "",
        state=outcome.state,
        line=_clean(best.says),
        quiet=mistake.quiet,
    )


def _better(check: Answer, daemon: Answer) -> Answer:
    return max(check, daemon, key=lambda one: (one.is_whole, one.distribution, bool(one.says)))


def _clean(line: str) -> str:
    text = " ".join(_PYTHON.sub("", _PLACES.sub("", line)).split())
    text = re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", text)
    return text if len(text) <= MAX_LINE_CHARACTERS else f"{text[: MAX_LINE_CHARACTERS - 1]}…"


def load_results() -> list[Result]:
    """Return the results on record."""
    if not RESULTS.exists():
        return []
    return [Result(**one) for one in json.loads(RESULTS.read_text(encoding="utf-8"))]


def record_results(results: Iterable[Result], order: Sequence[str]) -> None:
    """Put results in the place of those on record with the same numbers; numbers that are not in `order` go."""
    known = {one.number: one for one in (*load_results(), *results)}
    kept = [asdict(known[number]) for number in order if number in known]
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def describe_row(result: Result) -> str:
    """Return the row of a mistake."""
    line = result.line.replace("|", "\\|").replace("`", "'")
    text = f"`{line}`" if result.is_named else result.quiet
    return f"| {result.number} | {result.what} | {result.check} | {result.daemon} | {result.state} | {text} |"


def describe_table(results: Sequence[Result]) -> str:
    """Return the table of the mistakes."""
    head = "| # | mistake | `check` | daemon | the daemon | a line that says it |\n|---|---|---|---|---|---|"
    return "\n".join([head, *map(describe_row, results)])


def describe_counts(results: Sequence[Result]) -> str:
    """Return the counts that the review closes with."""
    silent = [one for one in results if not one.is_named]
    unnamed, quiet = ([one.number for one in silent if bool(one.quiet) is has] for has in (False, True))
    dead = [one.number for one in results if one.ends_daemon]
    return (
        f"{len(results)} mistakes. Named with the distribution: {sum(one.has('D') for one in results)}. "
        f"Also with file, line and hint: {sum(one.has('DLR') for one in results)}. "
        f"Not named: {', '.join(unnamed) or 'none'}. Not named for a reason: {', '.join(quiet) or 'none'}. "
        f"Daemons that ended or needed kill -9: {', '.join(dead) or 'none'}."
    )
