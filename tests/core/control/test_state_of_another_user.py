"""The error for a state directory that belongs to another user, who keeps it to himself."""

import multiprocessing
import os
from pathlib import Path

import pytest

from rae_auto.control.client import unreachable

OTHER_USER = 65534


def _describe(directory: Path, user: int, answers: "multiprocessing.SimpleQueue[str]") -> None:
    os.setgroups([])
    os.setuid(user)
    answers.put(str(unreachable(directory)))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("parts", [("state",), ("private", "state")], ids=["itself", "a folder above"])
def test_unreachable_names_the_owner_of_a_state_directory(tmp_path: Path, parts: tuple[str, ...]) -> None:
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    directory = tmp_path.joinpath(*parts)
    directory.mkdir(parents=True)
    tmp_path.joinpath(parts[0]).chmod(0o700)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=_describe, args=(directory, OTHER_USER, answers))
    process.start()
    process.join(30)
    assert not answers.empty()
    assert answers.get() == (
        f"{directory} belongs to root, and this user may not look into it; run the command as root, or set "
        "RAE_STATE_DIR to a directory of your own"
    )


def test_unreachable_says_how_to_start_a_daemon(tmp_path: Path) -> None:
    assert str(unreachable(tmp_path)) == f"no daemon is running for {tmp_path}; start one with 'rae-auto run'"
