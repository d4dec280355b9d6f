"""Terminations that the daemon itself carries out, because the keeper is gone or belongs to an earlier daemon."""

import asyncio
import time

from rae_plugins.executors.process.keeper.termination import MAX_CHECK_SECONDS, Termination


async def carry_out(termination: Termination) -> Termination:
    """Step the termination until it is over, and return it; its grace may be shortened meanwhile."""
    while not termination.is_over:
        await asyncio.to_thread(termination.step, time.monotonic())
        await asyncio.sleep(min(MAX_CHECK_SECONDS, max(0.0, termination.next_check - time.monotonic())))
    return termination
