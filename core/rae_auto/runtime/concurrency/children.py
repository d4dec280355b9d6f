"""The mechanism by which asyncio notices the end of child processes."""

import asyncio
import contextlib


def watch_children_by_pidfd() -> None:
    """Make asyncio on Python 3.11 use pidfds instead of a thread for each child, as later versions do."""
    kind = getattr(asyncio, "PidfdChildWatcher", None)
    policy = asyncio.get_event_loop_policy()
    if kind is not None and hasattr(policy, "set_child_watcher"):
        with contextlib.suppress(OSError, NotImplementedError):
            watcher = kind()
            # A watcher that is set while the loop is running must be attached, or no child can be started.
            watcher.attach_loop(asyncio.get_running_loop())
            policy.set_child_watcher(watcher)
