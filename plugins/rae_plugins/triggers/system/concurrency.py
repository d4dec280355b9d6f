"""Tasks that run together, until one fails."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any


async def run_together(parts: Collection[Coroutine[Any, Any, None]]) -> None:
    """Run all until cancelled or until one fails; the others are then cancelled and the first error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
