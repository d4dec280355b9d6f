"""The process that computes the starts to come of all jobs: `python -m rae_auto.reading.due_process`.

It needs the engine, the plugins and all definitions, which would stay in the memory of a page for good, and its work
would delay the answers of the page meanwhile. The question is JSON on standard input: the state directory of a daemon,
or a configuration without one. Each answer is a line: the numbers of a first day, then of all days.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

NICENESS = 3
"""The step down in priority: people wait for something else meanwhile."""


def main() -> int:
    """Answer the question on standard input."""
    # What a plugin prints while it is imported must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    question = json.load(sys.stdin)
    since, zone = datetime.fromisoformat(question["since"]), question["zone"]
    from rae_auto.errors import SchedulerError  # lazy: the page itself needs none of it
    from rae_auto.reading.day_notes import find_day_notes
    from rae_auto.reading.due_minutes import count_due_minutes

    try:
        definitions = _read_definitions(question)
    except SchedulerError:
        return 1
    notes = {day.isoformat(): texts for day, texts in find_day_notes(definitions, zone, since).items()}
    horizons = [since + timedelta(seconds=seconds) for seconds in question["horizons"]]
    for counts in count_due_minutes(definitions, zone, since, horizons):
        answers.write(json.dumps({"counts": counts.to_json(), "notes": notes}) + "\n")
        answers.flush()
    return 0


def _read_definitions(question: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the definitions of all jobs, of a daemon or of a configuration. Errors: SchedulerError."""
    if question.get("directory"):
        from rae_auto.reading.daemon_records import read_definitions

        return asyncio.run(read_definitions(Path(question["directory"])))
    from rae_auto.reading.store_records import StoreRecords

    return StoreRecords.load(Path(question["config"])).read_definitions()


if __name__ == "__main__":
    sys.exit(main())
