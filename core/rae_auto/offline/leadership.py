"""The daemon that leads a store which several daemons use, seen without asking a daemon.

Who reads such a store beside its leader, as on a machine whose own daemon stands by or is gone, reads what is true now:
runs that are active there are running. Only without a leader are they as the last daemon left them.
"""

from contextlib import suppress
from pathlib import Path

from attrs import frozen

from rae_auto.api.shared_store import Leader, SharedStore
from rae_auto.api.store import Store
from rae_auto.errors import StoreError
from rae_auto.toolkit.files import is_locked

NO_DAEMON = "no daemon is running; 'rae-auto run' starts one"


@frozen
class Lead:
    """The daemon that leads a store; that of a state directory, if it has one, stands by for it."""

    leader: Leader
    has_daemon: bool
    """True if a daemon has the state directory."""
    is_own: bool
    """True if it is that of the state directory, which just doesn't answer."""

    @property
    def text(self) -> str:
        """Both daemons, as a clause."""
        here = "this daemon stands by" if self.has_daemon and not self.is_own else "no daemon answers here"
        return f"{here}; {self.leader.describe()} leads"


def find_lead(store: Store, directory: Path) -> Lead | None:
    """Return the daemon that leads an open store; None if none does, or if each daemon has a store of its own."""
    if not isinstance(store, SharedStore):
        return None
    from rae_auto.runtime.sharing.nodes import read_name  # lazy: start-up

    with suppress(StoreError):
        leader = store.find_leader()
        if leader is not None:
            return Lead(leader, is_locked(directory), is_own=leader.node == read_name(directory))
    return None


def describe_lead(lead: Lead | None) -> str:
    """Return who leads, or that no daemon is running."""
    return NO_DAEMON if lead is None else lead.text
