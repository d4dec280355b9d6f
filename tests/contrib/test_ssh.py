"""rae-executor-ssh with a real sshd and a real daemon that is killed."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.contrib_plugins import CONTRIB, install_contrib_plugin
from tests.support.daemons import Daemons
from tests.support.packages import need
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)

JOBS = """
[jobs.long]
shell = 'echo "$RAE_RUN_ID.$RAE_ATTEMPT" >> {home}/starts; until [ -e {home}/go ]; do sleep 0.05; done; exit 7'
on_crash = "rerun"
executor = { type = "ssh", host = "box", config = "ssh_config", python = "PYTHON", directory = "{home}/remote" }
"""


@pytest.fixture
def daemons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemons]:
    """Return daemons with a host, by the tests of the distribution; its settings are beside the configuration."""
    need({"/usr/sbin/sshd": "openssh-server", "ssh": "openssh-client"})
    monkeypatch.setenv("PYTHONPATH", str(site := install_contrib_plugin("rae-executor-ssh", tmp_path / "plugin")))
    for path in (site, CONTRIB / "rae-executor-ssh" / "tests"):
        monkeypatch.syspath_prepend(str(path))
    server: Any = load_conftest(CONTRIB / "rae-executor-ssh" / "tests").SshServer("/usr/sbin/sshd", tmp_path)
    server.start()
    these = Daemons(tmp_path, JOBS.replace("PYTHON", sys.executable))
    yield these
    these.end()
    server.stop()


def load_conftest(folder: Path) -> Any:
    """Return the module with the server, under a name that no other conftest has."""
    spec = importlib.util.spec_from_file_location("ssh_server", folder / "conftest.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.requirement("R3", "S15")
@pytest.mark.parametrize("when", ["while it runs", "before it ends elsewhere"])
def test_killed_daemon_adopts_with_the_true_exit_status(daemons: Daemons, when: str) -> None:
    starts, go = daemons.home / "starts", daemons.home / "go"

    def find_end() -> dict[str, Any]:
        (run,) = daemons.ask("history", job="long")
        return run if run["finished_at"] else {}

    daemons.serve()
    run = daemons.ask("trigger", job="long", request=None)["run_id"]
    eventually(lambda: [one for one in daemons.ask("status")["running"] if one["state"] == "running"])
    eventually(starts.exists)
    daemons.kill()
    if when == "while it runs":
        daemons.serve()
        eventually(lambda: [one for one in daemons.ask("status")["running"] if one["run_id"] == run])
        go.touch()
    else:
        go.touch()
        eventually(lambda: list((daemons.home / "remote").glob("runs/*/out.exit")))
        daemons.serve()
    end = eventually(find_end)
    assert (end["run_id"], end["state"], end["exit_code"], end["attempt"]) == (run, "failed", 7, 1)
    assert starts.read_text().split() == [f"{run}.1"], "it was spawned twice"
