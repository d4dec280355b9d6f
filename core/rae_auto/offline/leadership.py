"""The daemon that looks after the runs of a store, seen without asking a daemon.

Who reads a store that several daemons use beside its leader, as on a machine whose own daemon stands by or is gone,
reads what is true now: runs that are active there are running. Only without a leader are they as the last daemon left
them, and as of when it was there.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from attrs import frozen

from rae_auto.api.shared_store import Leader, SharedStore
from rae_auto.api.store import Store
from rae_auto.errors import StoreError
from rae_auto.model.notices.downtime import Downtime
from rae_auto.model.run import Run
from rae_auto.records.last_record import find_newest_record
from rae_auto.records.presence_log import find_downtime
from rae_auto.runtime.time.clock import SystemClock, find_machine_boot
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
    def stands_by(self) -> bool:
        """True if the daemon of the state directory stands by."""
        return self.has_daemon and not self.is_own

    @property
    def text(self) -> str:
        """Both daemons, as a clause."""
        here = "this daemon stands by" if self.stands_by else "no daemon answers here"
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


def find_absence(store: Store, directory: Path, open_runs: Sequence[Run]) -> Downtime | None:
    """Return since when a state directory has had no daemon, given that it has none; None if that isn't known."""
    now = SystemClock().now()
    return find_downtime(directory, now.wall, find_machine_boot(now), find_newest_record(store, open_runs))


def find_last_sight(store: Store, directory: Path, lead: Lead | None, open_runs: Sequence[Run]) -> datetime | None:
    """Return when a daemon saw the open runs last: now, at the latest; None while one leads, also if it is silent."""
    if lead is not None or is_locked(directory):
        return None
    absence = find_absence(store, directory, open_runs)
    return SystemClock().now().wall if absence is None else absence.since
