"""Limits of waits for runs, local and remote ones."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator


@contextlib.asynccontextmanager
async def limit_wait(run: str, seconds: float | None) -> AsyncGenerator[None, None]:
    """Limit the wait for a run to so many seconds, if given. Raises TimeoutError; the run itself goes on."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TimeoutError(f"run {run} has not finished after {seconds} s; it continues") from None
