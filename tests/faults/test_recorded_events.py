"""kill -9 while events are recorded: each that was acknowledged is there afterwards, once."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from threading import Event, Thread

import pytest
from tests.support.daemons import Daemons

from rae_auto.control.client import Client
from rae_auto.errors import SchedulerError

KILLS = int(os.environ.get("RAE_KILLS", "4"))
SEED = int(os.environ.get("RAE_SEED", "1"))

JOBS = """
[history]
events = 1000000

[jobs.a]
command = ["true"]
"""


class Senders:
    """Some who record events all the time, and what was acknowledged to them."""

    def __init__(self, daemons: Daemons, how_many: int) -> None:
        self.acknowledged: dict[str, tuple[int, int]] = {}
        self._daemons = daemons
        self._over = Event()
        self._threads = [Thread(target=self._send, args=[number]) for number in range(how_many)]
        for thread in self._threads:
            thread.start()

    def _send(self, sender: int) -> None:
        for number in count():
            if self._over.wait(0.001):
                return
            try:
                with Client(self._daemons.state) as client:
                    answer = client.call("record_event", name=f"of.{sender}", data={"number": number})
                self.acknowledged[answer["id"]] = (sender, number)
            except SchedulerError:
                continue  # killed before it could acknowledge

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.requirement("R3")
@pytest.mark.parametrize("store", ["sqlite", "json"])
def test_an_event_that_was_acknowledged_survives_kill_nine(daemons: Callable[..., Daemons], store: str) -> None:
    ours = daemons(JOBS, f'store = "{store}"\n')
    dice = random.Random(SEED)
    ours.serve()
    senders = Senders(ours, 5)
    try:
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.1, 0.5))
            ours.kill()
            ours.serve()
    finally:
        senders.stop()
    # By the command itself, and then the end, as sudden as any.
    command = [sys.executable, "-m", "rae_auto", "event", "send", "last"]
    last = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    ours.kill()
    ours.serve()
    found = ours.ask("list_events", limit=100_000)
    ids = [event["id"] for event in found]
    assert len(ids) == len(set(ids))
    assert senders.acknowledged.keys() | {last} <= set(ids)
    kept = {event["id"]: (int(event["name"][3:]), event["data"]["number"]) for event in found if event["id"] != last}
    assert {id: kept[id] for id in senders.acknowledged} == senders.acknowledged
    assert len(senders.acknowledged) > KILLS
