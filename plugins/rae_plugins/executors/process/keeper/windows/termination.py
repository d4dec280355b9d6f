"""The end of a tree on Windows: Ctrl-Break once, and after the grace TerminateJobObject until nothing is left."""

from collections.abc import Callable

from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.keeper.termination import Termination


class WindowsTermination(Termination):
    """The end of a tree, without signals."""

    def __init__(
        self,
        grace_seconds: float,
        now: float,
        list_members: "Callable[[], list[ProcessInfo]]",
        kill_group: Callable[[], None],
        send_break: Callable[[], None],
    ) -> None:
        """End what `list_members` returns: `send_break` asks for it, `kill_group` ends all of it at once."""
        super().__init__(grace_seconds, now, list_members, kill_group)
        self._end_all = kill_group
        self._send_break = send_break
        self._is_break_sent = False

    def _request_exit(self, members: "list[ProcessInfo]") -> None:
        self._note(members)
        if not self._is_break_sent:
            self._is_break_sent = True
            self._send_break()

    def _kill(self, members: "list[ProcessInfo]") -> None:
        self._note(members)
        self._end_all()

    def _note(self, members: "list[ProcessInfo]") -> None:
        for process in members:
            self.signalled.setdefault(process.identity, process)
