"""The process in which a plugin is tried. It stands by with all imports done, and waits for a request."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from rae_auto import api
from rae_auto.model import documents
from rae_auto.offline.trial import hang
from rae_auto.offline.trial.channel import Channel
from rae_auto.offline.trial.messages import Key, TrialRequest
from rae_auto.offline.trial.trial import Trial
from rae_auto.offline.trial.worker_names import FOLDER
from rae_auto.platforms.process_groups import kill_with_children
from rae_auto.registry import Registry

_LATE = (
    "concurrent.futures.thread",
    "loguru",
    "rae_auto.runtime.pattern_runner",
    "zoneinfo",
)
"""Modules that a trial imports when it needs them."""


def main() -> None:
    """Stand by, and run the requested trial until the viewer is gone."""
    channel = Channel()
    folder = Path(os.environ.pop(FOLDER))
    for name in _LATE:
        import_module(name)
    for name in api.__all__:
        getattr(api, name)  # imported when it is first used
    Registry().infos()
    # Nothing is written beside the plugin's file, and nothing that is there is read instead of it.
    sys.pycache_prefix = str(folder / "bytecode")
    channel.send("ready")
    message = channel.receive()
    if message is None:
        return
    hang.arm(folder)
    _run(Trial(documents.load(TrialRequest, message["body"]), folder, channel), channel)


def _run(trial: Trial, channel: Channel) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    following = threading.Thread(
        target=channel.follow, args=(_handler_of(trial, loop), _end), name="channel", daemon=True
    )
    following.start()
    task = loop.create_task(trial.run())
    while True:
        try:
            loop.run_until_complete(task)
            break
        except BaseException as error:  # SystemExit and KeyboardInterrupt of a task of the plugin's own
            if task.done():
                raise
            trial.fail(error)
    sys.stdout.flush()
    sys.stderr.flush()
    _end()


def _handler_of(trial: Trial, loop: asyncio.AbstractEventLoop) -> Callable[[Mapping[str, Any]], object]:
    def handle(message: Mapping[str, Any]) -> None:
        work = trial.handle(Key(message["kind"]), float(message["body"] or 0))
        asyncio.run_coroutine_threadsafe(work, loop)

    return handle


def _end() -> None:
    """End this process at once, with all that the plugin has started."""
    kill_with_children(os.getpid())
    os._exit(0)


if __name__ == "__main__":
    main()
