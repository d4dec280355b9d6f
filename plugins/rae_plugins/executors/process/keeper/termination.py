"""How a tree of processes is brought to its end, step by step, without waiting."""

import signal
from collections.abc import Callable

from rae_plugins.executors.process.keeper.procfs import Process, send

PATIENCE = 5.0
"""Seconds after SIGKILL for which something may still be there; then it is an escape, and told."""

SWEEPS = 20
"""How often new processes are looked for while all are being stopped: what forks as fast as it is killed is frozen."""

FIRST_LOOK, LAST_LOOK = 0.01, 0.1
"""Seconds between looks, which grow."""


class Termination:
    """SIGTERM to each process once, also to those that come later; when the grace is over, SIGKILL until none is left.

    What is stopped is let go on, so that it can obey. `members` gives the living processes of the tree.
    """

    def __init__(
        self,
        grace: float,
        now: float,
        members: "Callable[[], list[Process]]",
        kill_at_once: Callable[[], None] | None = None,
    ) -> None:
        """`kill_at_once` is a better way than one by one, if there is one."""
        self.kill_at = now + grace
        self.next_look = now
        self._members = members
        self._kill_at_once = kill_at_once
        self._pause = FIRST_LOOK
        self._told: set[tuple[int, int]] = set()
        self.empty = False
        self.escaped: list[Process] = []

    def shorten(self, grace: float, now: float) -> None:
        """Let the grace be over earlier, if that is earlier."""
        self.kill_at = min(self.kill_at, now + grace)
        self.next_look = now

    @property
    def over(self) -> bool:
        """Nothing is left, or nothing that can be ended."""
        return self.empty or bool(self.escaped)

    def step(self, now: float) -> None:
        """Look, and do what is due."""
        self._pause = min(2 * self._pause, LAST_LOOK)
        self.next_look = min(now + self._pause, max(self.kill_at, now + FIRST_LOOK))
        members = self._look()
        if not members:
            self.empty = True
        elif now < self.kill_at:
            self._ask(members)
        elif now < self.kill_at + PATIENCE:
            self._kill(members)
            self.empty = not self._look()
        else:
            self.escaped = members

    def _look(self) -> "list[Process]":
        # Twice, since who changes parents between two lines of the table is seen under neither.
        return self._members() or self._members()

    def _ask(self, members: "list[Process]") -> None:
        for process in members:
            if (process.pid, process.ticks) not in self._told:
                self._told.add((process.pid, process.ticks))
                send(process, signal.SIGTERM)
                send(process, signal.SIGCONT)

    def _kill(self, members: "list[Process]") -> None:
        if self._kill_at_once is not None:
            self._kill_at_once()
        stopped: set[tuple[int, int]] = set()
        for _ in range(SWEEPS):
            fresh = [process for process in members if (process.pid, process.ticks) not in stopped]
            if not fresh:
                break
            for process in fresh:
                stopped.add((process.pid, process.ticks))
                send(process, signal.SIGSTOP)
            members = self._members()
        for process in members:
            send(process, signal.SIGKILL)


def told(escaped: "list[Process]") -> str:
    """One line on what could not be ended."""
    names = ", ".join(f"{process.name} (pid {process.pid})" for process in escaped[:5])
    more = f" and {len(escaped) - 5} more" if len(escaped) > 5 else ""
    return f"not all of it could be ended: {names}{more} outlived SIGKILL; end it by hand, maybe as another user"
