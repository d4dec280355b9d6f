"""A leader is stopped, declared dead, and wakes, while its job goes on at a host: one start, and the true end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contrib.test_ssh import load_conftest
from tests.support.contrib_plugins import CONTRIB, install_contrib_plugin
from tests.support.daemons import Daemons
from tests.support.packages import need
from tests.support.postgres_server import MISSING, start_server
from tests.support.waiting import eventually

from rae_auto.errors import DaemonUnreachable, SchedulerClosed

pytestmark = pytest.mark.timeout(300)

CONFIG = """
store = {{ type = "postgres", dsn = "{dsn}", lease = "1s" }}
[jobs.long]
shell = 'echo first; echo "$RAE_RUN_ID.$RAE_ATTEMPT" >> {place}/starts; until [ -e {place}/go ]; do sleep 0.05; done; \
echo last; exit 7'
on_crash = "rerun"
executor = {{ type = "ssh", host = "box", config = "{place}/ssh_config", python = "{python}", \
directory = "{place}/remote" }}
"""


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Daemons, Daemons]]:
    """Give a server, a daemon that leads, and one that stands by; both know a host."""
    pytest.importorskip("asyncpg")
    need({"/usr/sbin/sshd": "openssh-server", "ssh": "openssh-client"})
    server = start_server()
    if server is None:
        pytest.skip(MISSING)
    names = "rae-store-postgres", "rae-executor-ssh"
    sites = [install_contrib_plugin(name, tmp_path / "plugin") for name in names]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, sites)))
    for path in (*sites, CONTRIB / "rae-executor-ssh" / "tests"):
        monkeypatch.syspath_prepend(str(path))
    host: Any = load_conftest(CONTRIB / "rae-executor-ssh" / "tests").SshServer("/usr/sbin/sshd", tmp_path)
    text, daemons = CONFIG.format(dsn=server.dsn(), place=tmp_path, python=sys.executable), list[Daemons]()
    try:
        host.start()
        for name in ("a", "b"):
            (tmp_path / name).mkdir(mode=0o700)
            daemons.append(Daemons(tmp_path / name, text))
        call(daemons[0], "migrate")
        for one in daemons:
            one.serve()
        yield server, daemons[0], daemons[1]
    finally:
        # So that the job ends also where the test fails.
        (tmp_path / "go").touch()
        for one in daemons:
            one.end()
        host.stop()
        server.remove()


def call(daemons: Daemons, *words: str) -> None:
    command = [sys.executable, "-m", "rae_auto", "postgres", *words, "--config", str(daemons.config)]
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def wait_for_state(daemons: Daemons, state: str) -> None:
    eventually(lambda: read_state(daemons) == state)


def read_state(daemons: Daemons) -> str:
    try:
        return str(daemons.ask("status")["state"])
    except (DaemonUnreachable, SchedulerClosed):
        # It starts again, because it leads no more.
        return "away"


@pytest.mark.requirement("R10", "R3")
def test_attempt_on_a_host_outlives_its_fenced_leader(pair: tuple[Any, Daemons, Daemons], tmp_path: Path) -> None:
    server, first, second = pair
    wait_for_state(second, "standby")
    run = first.ask("trigger", job="long", request=None)["run_id"]
    eventually((tmp_path / "starts").exists)
    eventually(lambda: [one for one in first.ask("status")["running"] if one["state"] == "running"])
    first.started[-1].send_signal(signal.SIGSTOP)
    try:
        wait_for_state(second, "running")
        ((node,),) = server.execute("SELECT node FROM rae_auto.nodes WHERE node <> (SELECT node FROM rae_auto.claim)")
        # As if it had been silent for long.
        server.execute(f"UPDATE rae_auto.nodes SET seen_at = 'epoch' WHERE node = '{node}'", "SELECT 1")
        call(second, "fence", node)
        eventually(lambda: "still running; taken over from the last daemon" in second.output())
    finally:
        first.started[-1].send_signal(signal.SIGCONT)
    # It learns that it leads no more, and follows the attempt, too.
    wait_for_state(first, "standby")
    eventually(lambda: "looks after 1 attempt that this node started" in first.output())
    (tmp_path / "go").touch()
    end = eventually(lambda: next((one for one in second.ask("history", job="long") if one["finished_at"]), None))
    assert (end["run_id"], end["state"], end["exit_code"], end["attempt"]) == (run, "failed", 7, 1)
    assert (tmp_path / "starts").read_text().split() == [f"{run}.1"], "it was spawned twice"
    # Whichever daemon had the end first, the output arrives where the attempt was adopted; then the host forgets it.
    eventually(lambda: [path.read_text() for path in second.state.glob("output/long/*.log")] == ["first\nlast\n"])
    eventually(lambda: list((tmp_path / "remote").glob("runs/*/done")))
