"""The process that simulates edits: one for several of them, and another one when it has ended."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from rae_auto.errors import BadRequest
from rae_plugins.commands.ui.processes import what_if as what_if_process
from rae_plugins.commands.ui.processes.what_if import WhatIfChoices, WhatIfProcess, simulate_what_fits

TEXT = """timezone = "UTC"
[jobs.sync]
command = ["true"]
schedule = "0 4 * * *"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "rae.toml"
    path.write_text(TEXT)
    path.chmod(0o600)
    return path


def run(check: Callable[[WhatIfProcess], Awaitable[None]]) -> None:
    """Run a check with a process that is ended after it."""

    async def run_check() -> None:
        asker = WhatIfProcess()
        try:
            await check(asker)
        finally:
            await asker.close()

    asyncio.run(run_check())
    assert simulators() == []


def simulators() -> list[psutil.Process]:
    """Return the processes of this one that simulate."""
    found = []
    for one in psutil.Process().children():
        with suppress(psutil.Error):
            found += [one] if what_if_process.__name__ in one.cmdline() else []
    return found


def test_one_process_answers_until_it_ends(config: Path) -> None:
    async def check(asker: WhatIfProcess) -> None:
        for name in ("copy", "clone"):
            found = asker.ask(config, TEXT.replace("sync", name), WhatIfChoices())
            assert (await found.checked)["problems"] == []
            assert [job["job"] for job in (await found.complete)["jobs"]] == sorted([name, "sync"])
        (first,) = simulators()
        first.kill()
        again = asker.ask(config, TEXT.replace("sync", "third"), WhatIfChoices())
        assert (await again.complete)["is_usable"]
        (second,) = simulators()
        assert second.pid != first.pid

    run(check)


def test_same_question_is_answered_once(config: Path) -> None:
    async def check(asker: WhatIfProcess) -> None:
        answers = [asker.ask(config, TEXT, WhatIfChoices()) for _ in range(2)]
        assert answers[0] is answers[1]
        assert (await answers[0].complete)["patch"] == ""
        assert asker.ask(config, TEXT, WhatIfChoices(days=2)) is not answers[0]

    run(check)


@pytest.mark.parametrize(
    ("days", "load", "of_a_day", "found", "at_most"),
    [
        (1, 9, 9, 1, 18),
        (7, 1, 1, 7, 17),
        (31, 1, 0.4, 31, 30),
        (31, 4, 0.4, 31, 30),
        (31, 1, 1, 26, 30),
        (31, 0, 5, 3, 30),
        (31, 8, 1, 1, 30),
        (31, 0, 100, 1, 100),
    ],
)
def test_as_many_days_are_simulated_as_fit_into_the_time(
    days: float, load: float, of_a_day: float, found: float, at_most: float
) -> None:
    spent = [0.0]

    def simulate(length: float) -> float:
        spent.append(spent[-1] + length * of_a_day + (load if len(spent) == 1 else 0))
        return length

    assert simulate_what_fits(simulate, days, 30, lambda: spent[-1]) == found
    assert spent[-1] <= at_most


def test_what_fails_is_said_and_the_next_edit_goes_on(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(asker: WhatIfProcess) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(what_if_process, "MAX_SECONDS", 0.0)
            asked = asker.ask(config, TEXT + "typo = 1\n", WhatIfChoices())
            message = "^the simulation takes longer than 0 s; 'rae-auto simulate' has no time limit$"
            with pytest.raises(BadRequest, match=message):
                await asked.complete
            assert "typo" in (await asked.checked)["problems"][0]["text"], "the check has time of its own"
            patch.setattr(what_if_process, "CHECK_SECONDS", 0.0)
            with pytest.raises(BadRequest, match=r"^the check takes longer than 0 s; 'rae-auto check' has no"):
                await asker.ask(config, TEXT, WhatIfChoices()).checked
        found = asker.ask(config, TEXT, WhatIfChoices(durations="sync=soon"))
        assert (await found.checked)["text"] == TEXT
        with pytest.raises(BadRequest, match=r'^durations: "sync=soon": invalid duration'):
            await found.complete
        for words, problem in (
            ("sync", '"sync": write a job and a duration'),
            ("syncc=5m", 'no job "syncc"; did you mean "sync"?'),
        ):
            with pytest.raises(BadRequest, match=f"^durations: {re.escape(problem)}"):
                await asker.ask(config, TEXT, WhatIfChoices(durations=words)).complete
        assert (await asker.ask(config, TEXT, WhatIfChoices()).complete)["is_usable"]

    run(check)
