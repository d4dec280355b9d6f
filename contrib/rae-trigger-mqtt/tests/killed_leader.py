"""A leader that is killed while a message is under way: `python killed_leader.py FOLDER PORT CLIENT MOMENT`.

It watches as a daemon does, prints the key of the first message once that is durable (MOMENT "after"), or before it is
("before"), and then stays where it is: nothing is acknowledged.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from rae_trigger_mqtt import MqttTrigger

from rae_auto.api.trigger import EmitResult
from rae_auto.testing.sources import Listener, RealTimer


class Leader(Listener):
    """Stops at the first message."""

    moment = "after"

    async def emit(self, key: str, *args: Any, **kwargs: Any) -> EmitResult:
        """Print the key, and wait for the end."""
        print(self.moment, key, flush=True)
        await asyncio.Event().wait()
        raise AssertionError


async def main(folder: str, port: str, client: str, moment: str) -> None:
    leader = Leader(Path(folder), RealTimer())
    leader.moment = moment
    async with leader.watching(MqttTrigger(topic="plant/#", port=int(port), client_id=client)) as task:
        await task


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
