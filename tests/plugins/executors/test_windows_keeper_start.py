"""The start of a keeper on Windows, as far as it can be looked at elsewhere."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from rae_plugins.executors.process import keeper_start
from rae_plugins.executors.process.keeper.windows import kernel32


class StartedKeeper:
    """A process that only says what it was given."""

    stdin = None
    pid = 4711


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of each attempt to start a keeper; the first attempts with breakaway are denied."""
    attempts: list[dict[str, Any]] = []

    def start(words, **options):
        attempts.append({"words": words, **options})
        if options["creationflags"] & kernel32.CREATE_BREAKAWAY_FROM_JOB and denies_breakaway:
            raise PermissionError(13, "Access is denied")
        return StartedKeeper()

    denies_breakaway = True
    monkeypatch.setattr(keeper_start.subprocess, "Popen", start)
    return attempts


def start_on_windows() -> None:
    """Start a keeper as on Windows."""
    with socket.socket() as channel, Path(os.devnull).open("wb") as errors:
        keeper_start.start_on_windows(channel, errors)


def test_keeper_stays_in_a_job_object_that_lets_nothing_go(started):
    start_on_windows()
    flags = [attempt["creationflags"] for attempt in started]
    own = kernel32.CREATE_NO_WINDOW | kernel32.CREATE_NEW_PROCESS_GROUP
    assert flags == [own | kernel32.CREATE_BREAKAWAY_FROM_JOB, own]


def test_keeper_runs_without_site_packages_and_secrets(started, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "secret")
    monkeypatch.setenv("SystemRoot", "C:\\Windows")
    start_on_windows()
    assert started[-1]["words"][1:3] == ["-I", "-S"]
    assert started[-1]["env"]["SYSTEMROOT"] == started[-1]["cwd"] == "C:\\Windows"
    assert "secret" not in started[-1]["env"].values()


def test_channel_to_another_program_is_no_pair():
    """As where it connects first to the port that a pair is made of."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as first,
        server.accept()[0] as accepted,
        socket.create_connection(server.getsockname()) as ours,
    ):
        assert keeper_start.is_pair(first, accepted)
        assert not keeper_start.is_pair(ours, accepted)
