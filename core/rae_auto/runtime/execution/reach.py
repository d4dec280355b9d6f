"""Executors whose attempts run elsewhere: whether they are ready, and whether an attempt can be reached."""

import asyncio
from collections.abc import Awaitable

from rae_auto.api.executor import Execution, Executor
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.registry.containment import is_foreign
from rae_auto.registry.executor_readiness import READY

READINESS_SECONDS = 8.0
"""Seconds that an executor has to say whether it can start attempts."""

MAX_REASON_CHARACTERS = 300


async def check_readiness(opening: Awaitable[Executor]) -> GuardResult:
    """Return whether an executor can start attempts now, once it is open; UNKNOWN if it fails or takes too long."""
    try:
        async with asyncio.timeout(READINESS_SECONDS):
            problem = await (await opening).check_readiness()
    except TimeoutError:
        return GuardResult(Verdict.UNKNOWN, f"it has not answered within {READINESS_SECONDS:g} s")
    except BaseException as error:
        if is_foreign(error) or isinstance(error, asyncio.CancelledError):
            raise
        return GuardResult(Verdict.UNKNOWN, f"it failed: {_one_line(str(error) or type(error).__name__)}")
    return READY if problem is None else GuardResult(Verdict.NO, _one_line(problem))


def is_out_of_reach(execution: Execution) -> bool:
    """Return whether the execution reports that its attempt is out of reach; False if it fails to report."""
    try:
        return bool(execution.is_out_of_reach)
    except Exception:
        return False


def _one_line(text: str) -> str:
    return " ".join(text.split())[:MAX_REASON_CHARACTERS]
