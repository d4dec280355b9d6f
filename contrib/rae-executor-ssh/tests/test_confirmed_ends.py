"""A host forgets an attempt once a daemon has said that its end is durable, and not before."""

import asyncio
from pathlib import Path
from typing import Any

from attempts import find_end, output, run_directory, until
from attrs import evolve

LIMIT_SECONDS = 50.0


def test_end_that_is_not_confirmed_leaves_the_output_to_the_next_daemon(
    make_executor: Any, assign: Any, tmp_path: Path
) -> None:
    """A daemon that was stopped, and leads no more, gets the end too; what it does with that is refused."""

    async def scene() -> None:
        stopped, leader = make_executor(), make_executor()
        attempt = assign("echo first; echo last; exit 5")
        execution = await stopped.start(attempt)
        assert (await execution.wait()).exit_code == 5
        # The other daemon has not created the file yet.
        there = evolve(attempt, output=tmp_path / "there.log")
        found = await find_end(leader, there, execution.handle)
        assert (found.exit_code, output(there)) == (5, "first\nlast\n")
        directory = run_directory(leader, attempt)
        assert not (directory / "done").exists()
        leader.confirm_ends([(attempt.run, attempt.attempt)])
        await until(lambda: (directory / "done").exists() and not (directory / "out.log").exists())
        for executor in (stopped, leader):
            await executor.close()

    asyncio.run(asyncio.wait_for(scene(), LIMIT_SECONDS))
