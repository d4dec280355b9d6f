"""A daemon's way into its store, which others may use too. Without them, nothing else of this room is loaded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from rae_auto.api.executor import Executor
from rae_auto.api.shared_store import SharedStore, Standby
from rae_auto.api.store import Store
from rae_auto.errors import ClaimLost, StoreError
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.runtime.repository import Repository
from rae_auto.runtime.time.clock import Clock

if TYPE_CHECKING:
    from rae_auto.runtime.sharing.membership import Membership

OnStandby = Callable[[Standby], None]
"""Called when a daemon has to wait for its turn, with the reason, and whenever that changes."""


@contextmanager
def restart_if_away(store: Store) -> Iterator[None]:
    """Raise ClaimLost, after which the daemon starts again, for a temporary StoreError during a start."""
    try:
        yield
    except StoreError as error:
        if isinstance(error, ClaimLost) or not isinstance(store, SharedStore) or not store.is_temporary(error):
            raise
        raise ClaimLost(f"the start was broken off, because the store went away ({error})") from error


async def join(
    store: Store,
    repository: Repository,
    directory: Path,
    clock: Clock,
    duty: tuple[Callable[[PluginRef], Executor], Mapping[str, str], Sequence[Job]],
    on_standby: OnStandby,
) -> "Membership | None":
    """Wait for this daemon's turn; None for a store that one daemon has alone. Errors: StoreLocked, StoreError.

    `duty` is what a stand-by needs for the attempts it started: a maker of executors, the environment, the jobs.
    """
    if not isinstance(store, SharedStore):
        return None
    # lazy: memory
    from rae_auto.runtime.sharing.membership import Membership
    from rae_auto.runtime.sharing.nodes import identify_node
    from rae_auto.runtime.sharing.server_clock import ServerClock
    from rae_auto.runtime.sharing.standby import StandbyDuty

    node = identify_node(directory, clock)
    executor_for, environment, jobs = duty
    standby_duty = StandbyDuty(store, node, executor_for, environment, {job.id: job for job in jobs})

    def report(why: Standby) -> None:
        if why.leader is not None:
            logger.info("stands by: {} leads", why.leader.describe())
        else:
            logger.warning("waits for the store: {}", why.problem)
        standby_duty.note(why)
        on_standby(why)

    try:
        await repository.stand_by(node, report)
    finally:
        await standby_duty.close()
    logger.info('leads from now on, as node "{}"', node.name)
    return Membership(store, node, ServerClock(clock, store.clock_offset))
