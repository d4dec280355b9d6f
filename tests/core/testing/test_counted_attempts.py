"""Attempts whose starts are counted: each is a run of its own, and a second start shows."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from rae_auto.api import Assignment
from rae_auto.testing.harness.counted_attempts import CountedAttempts, until


def start(attempt: Assignment) -> None:
    with attempt.output.open("ab") as output:
        command = ["sh", "-c", attempt.job.shell or ""]
        subprocess.run(command, env=dict(attempt.environment), cwd=attempt.job.cwd, stdout=output, check=True)


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="shell lines need a shell")
def test_starts_of_each_attempt_are_counted(tmp_path: Path) -> None:
    attempts = CountedAttempts(tmp_path)
    one, other = attempts.make("echo hello"), attempts.make("echo hello", timeout="1m")
    assert (attempts.starts(one), attempts.output(one)) == (0, "")
    for attempt in (one, one, other):
        start(attempt)
    assert [attempts.starts(attempt) for attempt in (one, other)] == [2, 1]
    assert attempts.output(other) == "hello\n"


def test_until_waits_for_a_condition() -> None:
    answers = iter([False, False, True])
    asyncio.run(until(lambda: next(answers)))
    assert next(answers, None) is None
