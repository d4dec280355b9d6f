"""The process that checks and simulates an edited configuration: a question on standard input, its answer as JSON.

Reading and simulating a configuration takes memory and time, and the text is edited and unfinished. In a process of its
own, with a time limit, it keeps the server small and able to answer other requests.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from rae_auto.errors import BadRequest, SchedulerError
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.primitives.units import parse_duration

MAX_SECONDS = 30.0
"""Time that the simulation may take."""

MAX_DAYS = 31

_asking = asyncio.Semaphore(1)


@frozen(kw_only=True)
class WhatIfChoices:
    """Assumptions of a simulation that a person can move."""

    days: int = 1
    down_after_hours: float = 0.0
    down_for_hours: float = 0.0
    """The length of a downtime, which begins `down_after_hours` from now; 0 for none."""
    durations: str = ""
    """Durations of jobs: "backup=5m sync=30s"."""
    duration_factor: float = 1.0
    """The factor by which runs take longer."""
    guards: str = ""
    """Answers of guards that read the machine: "power=no backup.network=unknown"; by default they say yes."""
    ignores_pauses: bool = False
    """True to simulate as if no job were paused and no start skipped by hand."""


async def ask_what_if(config: Path, text: str | None, choices: WhatIfChoices) -> dict[str, Any]:
    """Return the JSON of a `WhatIf`, and the text that was checked as `text`.

    None asks for the configuration as it is. Errors: BadRequest if it takes too long, or can't be read.
    """
    question = json.dumps({"config": str(config), "text": text, "choices": asdict(choices)})
    async with _asking:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(question.encode()), MAX_SECONDS)
        except TimeoutError:
            raise BadRequest(f"it takes longer than {format_elapsed(MAX_SECONDS)}; simulate fewer days") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    try:
        answer: dict[str, Any] = json.loads(out)
    except ValueError:
        raise BadRequest("the simulation failed; see 'rae-auto simulate'") from None
    if "error" in answer:
        raise BadRequest(str(answer["error"]))
    return answer


async def answer_question(config: Path, text: str, choices: WhatIfChoices) -> dict[str, Any]:
    """Return the answer to a question. Errors: those of `load_what_if`, ValueError for a bad duration."""
    from rae_auto.screens import Assumptions, load_what_if  # lazy: the page itself needs none of it

    now = datetime.now(UTC).replace(microsecond=0)
    down = now + timedelta(hours=choices.down_after_hours)
    downtimes = [(down, down + timedelta(hours=choices.down_for_hours))] if choices.down_for_hours else []
    pairs = [pair.partition("=") for pair in _words(choices.durations)]
    screen = await load_what_if(
        config,
        text,
        since=now,
        span=timedelta(days=min(max(choices.days, 1), MAX_DAYS)),
        assumptions=Assumptions(
            downtimes=downtimes,
            durations={job: parse_duration(length) for job, _, length in pairs},
            duration_factor=choices.duration_factor,
            guards=_words(choices.guards),
            ignores_pauses=choices.ignores_pauses,
        ),
    )
    return {**screen.to_json(), "text": text}


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def main() -> int:
    """Answer the question on standard input."""
    question = json.load(sys.stdin)
    choices, config, text = WhatIfChoices(**question["choices"]), Path(question["config"]), question["text"]
    try:
        # A form sends its lines as those of the network.
        text = config.read_text(encoding="utf-8") if text is None else text.replace("\r\n", "\n")
        answer = asyncio.run(answer_question(config, text, choices))
    except (SchedulerError, OSError, ValueError) as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
