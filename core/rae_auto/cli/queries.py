"""Queries that the daemon answers, or the store while no daemon is running."""

from typing import Any

from rae_auto.cli import options
from rae_auto.control.client import ANSWER_TIMEOUT_SECONDS, Client
from rae_auto.errors import DaemonUnreachable


def query(
    command: str, arguments: dict[str, Any], config: str | None, timeout: float | None = ANSWER_TIMEOUT_SECONDS
) -> Any:
    """Return the answer of the control command, or of the function of this name in `rae_auto.offline.queries`."""
    try:
        with Client(timeout=timeout) as client:
            return client.call(command, **arguments)
    except DaemonUnreachable:
        from rae_auto.offline import queries  # lazy: start-up

        return getattr(queries, command)(options.load_project(config), arguments)
