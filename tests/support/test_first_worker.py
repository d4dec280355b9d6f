"""The first worker reads the tests alone, and the others at the same time."""

from pathlib import Path

import pytest
from tests.support.first_worker import one_first

fcntl = pytest.importorskip("fcntl")


def test_first_one_is_alone_and_the_others_are_not(tmp_path: Path) -> None:
    path = tmp_path / "collected"
    with one_first(path), path.open() as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with one_first(path), one_first(path):
        pass


def test_first_one_that_fails_lets_the_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "collected"
    with pytest.raises(ValueError, match="unreadable"), one_first(path):
        raise ValueError("unreadable")
    with one_first(path), one_first(path):
        pass
