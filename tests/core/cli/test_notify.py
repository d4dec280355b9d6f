"""The command notify test: a test notice through the configured notifiers, with and without a daemon."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.cli.conftest import Cli
from tests.support.daemons import Daemons

CONFIG = """
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
