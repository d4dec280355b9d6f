"""The idle time of the machine: without keyboard, mouse and touch.

Each desktop provides it in its own way, and some not at all. An unknown time is None, with the reasons: that is neither
idle nor in use. The first source that knows the time counts, in an order from counters of input events to what a
desktop reports at intervals.
"""

import asyncio
import os

from attrs import frozen

from rae_plugins.machine.bus import BusFailure
from rae_plugins.machine.idle_source import IdleUnknown
from rae_plugins.machine.platform_sensors import list_idle_sources

REPLY_TIMEOUT_SECONDS = 1.0
"""Seconds after which a source that doesn't answer is passed over."""


@frozen
class Idle:
    """A reading: seconds since the last input or None, and its source or the reason."""

    seconds: float | None
    reason: str


async def read_idle() -> Idle:
    """Ask the sources of this platform in turn: a few milliseconds, some seconds where several don't answer.

    Never raises.
    """
    refusals = []
    for source in list_idle_sources():
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_SECONDS):
                seconds, who = await source(os.environ)
            return Idle(max(seconds, 0.0), who)
        except (IdleUnknown, BusFailure) as reason:
            refusals.append(str(reason))
        except TimeoutError:
            refusals.append(f"{source.__name__}: no answer within {REPLY_TIMEOUT_SECONDS:g} s")
        except Exception as error:
            refusals.append(f"{source.__name__}: {error or type(error).__name__}")
    return Idle(None, "; ".join(dict.fromkeys(" ".join(refusal.split()) for refusal in refusals)))
