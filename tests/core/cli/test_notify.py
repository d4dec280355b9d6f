"""The command notify: a test notice, and what is not delivered, with and without a daemon."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.cli.conftest import Cli
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

CONFIG = """
timezone = "Asia/Kolkata"
[notifiers.desk]
type = "command"
command = ["sh", "-c", "cat > {home}/notice"]

[notifiers.broken]
type = "command"
command = ["sh", "-c", "exit 7"]
"""


@pytest.fixture
def place(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rae.toml").write_text(CONFIG.replace("{home}", str(tmp_path)))
    (tmp_path / "rae.toml").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture(params=["offline", "online"])
def _daemon(request: pytest.FixtureRequest, place: Path) -> Iterator[Daemons | None]:
    if request.param == "offline":
        yield None
        return
    daemons = Daemons(place, CONFIG)
    daemons.serve()
    yield daemons
    daemons.end()


@pytest.mark.usefixtures("_daemon")
def test_notify_test_delivers_a_notice_and_says_so(cli: Cli, place: Path) -> None:
    said = cli("notify", "test", "desk")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith('desk took "a test notice from rae-auto, by way of desk" in ')
    notice = json.loads((place / "notice").read_text())
    assert notice["text"] == "a test notice from rae-auto, by way of desk"
    assert notice["host"] == socket.gethostname()
    assert notice["at"].endswith("+05:30")
    assert cli("notify", "test", "desk", "--json").json["notifier"] == "desk"


@pytest.mark.usefixtures("_daemon")
def test_notify_test_names_each_failure(cli: Cli) -> None:
    said = cli("notify", "test", "broken", "dsk", "desk")
    assert said.code == 2
    assert said.out.startswith("desk took ")
    failed, unknown = said.err.splitlines()
    assert failed.startswith('rae-auto: notifier "broken" failed: ')
    assert "7" in failed
    assert unknown == 'rae-auto: no notifier "dsk"; did you mean "desk"?'


# What is not delivered


@pytest.fixture
def undelivered(place: Path) -> Iterator[Daemons]:
    """A daemon with a notice that its notifier refuses."""
    job = '[jobs.a]\ncommand = ["false"]\nnotify = { on = ["failure"], via = ["broken"] }\n'
    daemons = Daemons(place, CONFIG + job)
    daemons.serve()
    daemons.ask("trigger", job="a")
    eventually(lambda: [one["tries"] for one in daemons.ask("list_notices")] == [1])
    yield daemons
    daemons.end()


def test_outbox_shows_what_is_not_delivered(cli: Cli, undelivered: Daemons) -> None:
    for _ in range(2):
        said = cli("notify", "outbox")
        assert said.code == 0
        assert said.out.startswith("broken  failing  20")
        assert said.out.endswith('  1  a failed: exit code 1  "sh" failed with exit code 7\n')
        (notice,) = cli("notify", "outbox", "--json").json
        assert (notice["notifier"], notice["state"], notice["tries"]) == ("broken", "failing", 1)
        assert notice["next_try_at"] > notice["decided_at"]
        assert cli("doctor").out.count('notifier "broken" can\'t deliver 1 notice') == 1
        # And the same without a daemon.
        undelivered.kill()


def test_status_and_health_name_what_is_not_delivered(cli: Cli, undelivered: Daemons) -> None:
    problem = 'notifier "broken" can\'t deliver 1 notice ("sh" failed with exit code 7); '
    assert f"problem: {problem}" in cli("status").out
    assert undelivered.ask("health")["problems"][0].startswith(problem)


def test_retry_delivers_at_once_and_discard_forgets(cli: Cli, undelivered: Daemons) -> None:
    assert cli("notify", "retry", "broken").out == "delivering 1 notice\n"
    eventually(lambda: [one["tries"] for one in undelivered.ask("list_notices")] == [2])
    assert cli("notify", "retry", "brokn").err == 'rae-auto: no notifier "brokn"; did you mean "broken"?\n'
    assert cli("notify", "discard", "desk", "--json").json == {"notices": 0}
    assert cli("notify", "discard").out == "discarded 1 notice\n"
    assert cli("notify", "outbox").out == ""
