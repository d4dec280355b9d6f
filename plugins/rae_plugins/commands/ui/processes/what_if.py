"""The process that checks and simulates edited configurations: questions on standard input, answers as JSON lines.

Reading and simulating a configuration takes memory and time, and the text is edited and unfinished. In a process of its
own, with a time limit, it keeps the server small and able to answer other requests. It stays for a minute after the
last question, so that the next edit needs neither the imports nor the saved configuration again.

Each question has two answers: what the check of the text found, and what the edit would change.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import asdict, define, field, frozen

from rae_auto.errors import BadRequest, SchedulerError
from rae_auto.model.primitives.formatting import format_elapsed, quote
from rae_auto.model.primitives.units import parse_duration

if TYPE_CHECKING:
    from rae_auto.screens import WhatIf, WhatIfEdits

CHECK_SECONDS = 120.0
"""Time that the check of a text may take, which nothing but the text makes shorter."""

MAX_SECONDS = 30.0
"""Time that the simulation may take after that."""

KEEP_SECONDS = 60.0
"""Time for which the process waits for another question."""

SAME_SECONDS = 5.0
"""Time for which a question that is asked again has the same answer: a page asks until its answer is complete."""

USED_PART = 0.7
"""The part of that time for which it is planned, as no day takes as long as the one before."""

MAX_ANSWER_BYTES = 1 << 28

T = TypeVar("T")


@frozen(kw_only=True)
class WhatIfChoices:
    """Assumptions of a simulation that a person can move."""

    days: float = 1
    down_after_hours: float = 0.0
    down_for_hours: float = 0.0
    """The length of a downtime, which begins `down_after_hours` from now; 0 for none."""
    durations: str = ""
    """Durations of jobs: "backup=5m sync=30s"."""
    duration_factor: float = 1.0
    """The factor by which runs take longer."""
    guards: str = ""
    """Answers of guards that read the machine: "power=no backup.network=unknown"; by default they say yes."""
    chosen_guards: tuple[str, ...] = ()
    """Answers that were chosen for the guards of a text; the guards may be gone from the present one."""
    ignores_pauses: bool = False
    """True to simulate as if no job were paused and no start skipped by hand."""


@define(eq=False)
class WhatIfAnswer:
    """The answer to a question, while it is being computed and for a while after that."""

    question: bytes
    checked: "asyncio.Future[Mapping[str, Any]]"
    """Its "problems", "text" and "patch". Raises BadRequest."""
    complete: "asyncio.Future[Mapping[str, Any]]"
    """The JSON of a `WhatIf`, and the text that was checked as "text". Raises BadRequest."""
    ended_at: float | None = None

    def fail(self, text: str) -> None:
        """Answer with an error."""
        for future in (self.checked, self.complete):
            if not future.done():
                future.set_exception(BadRequest(text))
                # Not every page that has asked is still there.
                future.exception()


@define(eq=False)
class WhatIfProcess:
    """Asks the process, which is started when it is needed."""

    _answer: WhatIfAnswer | None = field(init=False, default=None)
    _process: asyncio.subprocess.Process | None = field(init=False, default=None)
    _turn: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _end: asyncio.TimerHandle | None = field(init=False, default=None)
    _tasks: "set[asyncio.Task[None]]" = field(init=False, factory=set)

    def ask(self, config: Path, text: str, choices: WhatIfChoices) -> WhatIfAnswer:
        """Return the answer about a text, which is being computed."""
        question = json.dumps({"config": str(config), "text": text, "choices": asdict(choices)}).encode()
        loop, known = asyncio.get_running_loop(), self._answer
        is_known = known is not None and known.question == question
        if known is not None and is_known and (known.ended_at is None or loop.time() - known.ended_at < SAME_SECONDS):
            return known
        answer = self._answer = WhatIfAnswer(question, loop.create_future(), loop.create_future())
        task = asyncio.create_task(self._compute(answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return answer

    async def _compute(self, answer: WhatIfAnswer) -> None:
        loop = asyncio.get_running_loop()
        async with self._turn:
            if self._end is not None:
                self._end.cancel()
            try:
                is_kept = self._process is not None
                try:
                    await self._exchange(answer)
                except TimeoutError:
                    raise
                except (OSError, ValueError):
                    if not is_kept or answer.checked.done():
                        raise
                    # It has ended since its last answer.
                    self.stop()
                    await self._exchange(answer)
            except TimeoutError:
                # What it answers later would be taken for the answer to the next question.
                self.stop()
                answer.fail(_describe_timeout(is_checked=answer.checked.done()))
            except (OSError, ValueError):
                pass
            finally:
                if not answer.complete.done():
                    self.stop()
                    answer.fail("the simulation failed; see 'rae-auto simulate'")
                answer.ended_at = loop.time()
            self._end = loop.call_later(KEEP_SECONDS, self._forget)

    async def _exchange(self, answer: WhatIfAnswer) -> None:
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", __name__, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL,
                limit=MAX_ANSWER_BYTES,
            )  # fmt: skip
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(answer.question + b"\n")
        await asyncio.wait_for(process.stdin.drain(), CHECK_SECONDS)
        for future, seconds in ((answer.checked, CHECK_SECONDS), (answer.complete, MAX_SECONDS)):
            found = json.loads(await asyncio.wait_for(process.stdout.readline(), seconds))
            if "error" in found:
                answer.fail(str(found["error"]))
                return
            future.set_result(found)

    def _forget(self) -> None:
        """End the process after a while without questions, and give up what it has answered."""
        self.stop()
        self._answer = None

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process = None

    async def close(self) -> None:
        """End the process, and whatever waits for it."""
        if self._end is not None:
            self._end.cancel()
        process = self._process
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if process is not None:
            await process.wait()


def _describe_timeout(*, is_checked: bool) -> str:
    """Return what took too long, and what has no limit."""
    if not is_checked:
        return f"the check takes longer than {format_elapsed(CHECK_SECONDS)}; 'rae-auto check' has no time limit"
    return f"the simulation takes longer than {format_elapsed(MAX_SECONDS)}; 'rae-auto simulate' has no time limit"


def answer_question(edits: "WhatIfEdits", text: str, choices: WhatIfChoices) -> Iterator[Mapping[str, Any]]:
    """Yield what a check found, and what the edit would change. Errors: those of both, ValueError for a duration."""
    from rae_auto.screens import Assumptions  # lazy: the page itself needs none of it

    checked = edits.check(text)
    yield {"text": text, "patch": checked.patch, "problems": [asdict(one) for one in checked.problems]}
    down = checked.load_since() + timedelta(hours=choices.down_after_hours)
    downtimes = [(down, down + timedelta(hours=choices.down_for_hours))] if choices.down_for_hours else []
    assumptions = Assumptions(
        downtimes=downtimes,
        durations=dict(map(_read_length, _words(choices.durations))),
        duration_factor=choices.duration_factor,
        guards=_words(choices.guards),
        optional_guards=choices.chosen_guards,
        ignores_pauses=choices.ignores_pauses,
    )
    asked = timedelta(days=choices.days)

    def simulate(days: float) -> "WhatIf":
        return edits.compare(checked, timedelta(days=days), assumptions, asked=asked)

    yield {**simulate_what_fits(simulate, choices.days, MAX_SECONDS * USED_PART).to_json(), "text": text}


def simulate_what_fits(
    simulate: Callable[[float], T], days: float, seconds: float, clock: Callable[[], float] = time.monotonic
) -> T:
    """Return the simulation of as many days as fit into a time, up to those that are asked for, at least of one.

    The first day tells how long the others will take. Where that is too long for them, it counts what is loaded only
    once, and so two days are simulated for the true measure.
    """
    if days <= 1:
        return simulate(days)
    began = clock()
    found = simulate(1)
    if (clock() - began) * (1 + days) <= seconds:
        return simulate(days)
    if clock() - began >= seconds / 4:
        return found
    second_began = clock()
    found = simulate(2)
    of_a_day = max((clock() - second_began) / 2, 1e-9)
    fitting = min(days, int((began + seconds - clock()) / of_a_day))
    return simulate(fitting) if fitting > 2 else found


def _read_length(word: str) -> tuple[str, timedelta]:
    """Return a job and how long its runs take, given as "backup=5m". Errors: ValueError, which names the field."""
    job, _, length = word.partition("=")
    try:
        if not job or not length:
            raise ValueError('write a job and a duration, as in "backup=5m"')
        return job, parse_duration(length)
    except ValueError as error:
        raise ValueError(f"durations: {quote(word)}: {error}") from None


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def main() -> int:
    """Answer the questions on standard input, until it ends."""
    from rae_auto.screens import WhatIfEdits  # lazy: the page itself needs none of it

    # What a plugin prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    known: dict[Path, WhatIfEdits] = {}
    for line in sys.stdin.buffer:
        question = json.loads(line)
        choices, config, text = WhatIfChoices(**question["choices"]), Path(question["config"]), question["text"]
        try:
            for answer in answer_question(known.setdefault(config, WhatIfEdits(config)), text, choices):
                answers.write(json.dumps(answer) + "\n")
                answers.flush()
        except (SchedulerError, OSError, ValueError) as error:
            answers.write(json.dumps({"error": str(error)}) + "\n")
            answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
