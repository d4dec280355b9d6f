"""The process that simulates the coming month: a configuration as its argument, lines of JSON as its answer.

The first line has the span and what is assumed, each further one an hour. It computes no further than it is read, as a
pipe holds little, and its reader ends it. An error is a line, too.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rae_auto.screens import ForecastStep

PLAYED_DAYS = 30

MAX_STEP_DECISIONS = 500
"""Number of decisions of an hour that are listed; the others are counted."""


def answer(config: Path) -> Iterator[dict[str, Any]]:
    """Yield the span, and its hours. Errors: ConfigError, StoreError, BadRequest where there is too much in an hour."""
    from rae_auto.screens import simulate_time_ahead  # lazy: the view itself needs none of it

    ahead = simulate_time_ahead(config, PLAYED_DAYS)
    yield {
        "since": ahead.since.isoformat(),
        "until": ahead.until.isoformat(),
        "zone": ahead.zone,
        "assumptions": ahead.assumptions,
    }
    for step in ahead.steps:
        yield _describe_step(step)


def _describe_step(step: "ForecastStep") -> dict[str, Any]:
    found = [(at, run.job, "running", run.cause.code.replace("_", " ")) for at, run in step.starts]
    found += [(skip.decided_at, skip.job, "skipped", skip.reason.text) for skip in step.skips]
    found.sort(key=lambda one: one[0])
    left = Counter(state for _, _, state, _ in found[MAX_STEP_DECISIONS:])
    listed = [(at.isoformat(), *words) for at, *words in found[:MAX_STEP_DECISIONS]]
    return {"until": step.until.isoformat(), "decisions": listed, "left": left}


def main() -> int:
    """Answer until all is said."""
    from rae_auto.errors import SchedulerError  # lazy: the view itself needs none of it

    # What a plugin prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        for found in answer(Path(sys.argv[1])):
            answers.write(json.dumps(found) + "\n")
            answers.flush()
    except (SchedulerError, OSError) as error:
        answers.write(json.dumps({"error": " ".join(str(error).split())}) + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
