"""A start that ends because the server of a shared store is away for a while is repeated; any other isn't."""

import pytest

from rae_auto.api.shared_store import SharedStore
from rae_auto.errors import ClaimLost, StoreError
from rae_auto.runtime.sharing.joining import restart_if_away


class AwayStore(SharedStore):
    """A store whose server is away where an error says so."""

    def is_temporary(self, error: StoreError) -> bool:
        return "closed" in str(error)


AwayStore.__abstractmethods__ = frozenset()


def test_start_is_repeated_if_the_server_goes_away() -> None:
    with pytest.raises(ClaimLost, match="the start was broken off") as raised, restart_if_away(AwayStore()):
        raise StoreError("the connection was closed")
    assert "the connection was closed" in str(raised.value)


@pytest.mark.parametrize("error", [StoreError("no rights"), ClaimLost("laptop leads"), ValueError("closed")])
def test_start_that_no_time_heals_ends(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, restart_if_away(AwayStore()):
        raise error
    assert raised.value is error
