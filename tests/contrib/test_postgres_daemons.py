"""Two real daemons with one PostgreSQL server: a seeded sample of `python -m tests.faults.many`."""

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks.campaigns import takeovers, two_daemons
from tests.benchmarks.test_counts import COUNTED_COMMAND, IDLE_CONFIG, UNUSED_BY_DAEMON
from tests.faults.many import run_campaign
from tests.support.contrib_plugins import install_contrib_plugin
from tests.support.daemons import Daemons
from tests.support.postgres_server import MISSING, start_server
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """Start a server."""
    pytest.importorskip("asyncpg")
    found = start_server()
    if found is None:
        pytest.skip(MISSING)
    yield found
    found.remove()


@pytest.fixture
def empty_server(server: Any) -> Any:
    """The server without what an earlier test left there."""
    server.execute("DROP SCHEMA IF EXISTS rae_auto CASCADE", "SELECT 1")
    return server


@pytest.mark.requirement("R10", "R3")
def test_two_daemons_lose_and_double_nothing(tmp_path: Path, empty_server: Any) -> None:
    """One campaign for both, because its start and its end take most of the time; the cluster only where Dask is."""
    has_dask = importlib.util.find_spec("distributed") is not None
    report = run_campaign(tmp_path, empty_server, faults=6, seed=2, with_dask=has_dask)
    assert report.violations == [], report.text()
    assert report.runs > 0


def test_benchmark_of_two_daemons_runs_in_small(tmp_path: Path) -> None:
    # With one daemon, because the other test here has started two.
    (megabytes,) = two_daemons.measure_memory(tmp_path, tmp_path, 2, None).values()
    assert megabytes > 10


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no 'openssl'; run 'apt-get install openssl'")
def test_encrypted_connection_of_the_benchmark_is_accepted(tmp_path: Path, server: Any) -> None:
    if not server.has_tls():
        pytest.skip("this build of PostgreSQL has no TLS; run 'apt-get install postgresql'")
    own = type(server).make(server.programs)
    try:
        dsn = two_daemons.encrypt(own, tmp_path)

        async def ask() -> Any:
            connection = await asyncpg.connect(dsn)
            found = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            await connection.close()
            return found

        asyncpg = pytest.importorskip("asyncpg")
        assert asyncio.run(ask()) is True
    finally:
        own.remove()


def test_measurement_of_take_overs_runs_in_small(tmp_path: Path, empty_server: Any) -> None:
    (found,) = takeovers.measure(tmp_path, empty_server, 1)
    assert found.claim > 0 and found.start > 0


_USED_BY_DRIVER = {
    "ssl", "_ssl", "hashlib", "_hashlib", "hmac", "decimal", "numbers", "ipaddress", "urllib.parse", "uuid", "random",
    "tempfile",
}  # fmt: skip
UNUSED_WITH_POSTGRES = {*UNUSED_BY_DAEMON, "sqlite3"} - {*_USED_BY_DRIVER, "rae_auto.runtime.sharing.membership"}
"""Modules that neither the daemon nor the driver needs."""


def test_idle_daemon_with_postgres_imports_few_modules(
    tmp_path: Path, empty_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERAGE_PROCESS_START", "")
    site = install_contrib_plugin("rae-store-postgres", tmp_path / "plugin")
    monkeypatch.setenv("PYTHONPATH", str(site))
    store = f'[store]\ntype = "postgres"\ndsn = "{empty_server.dsn()}"\n'
    (tmp_path / "home").mkdir()
    daemons = Daemons(tmp_path / "home", store + IDLE_CONFIG)
    subprocess.run(
        [sys.executable, "-m", "rae_auto", "postgres", "migrate", "--config", str(daemons.config)], check=True
    )
    daemons.command = [sys.executable, "-c", COUNTED_COMMAND]
    try:
        daemons.serve()
        daemons.stop()
        modules = daemons.whole_output().splitlines()[-1].split()
    finally:
        daemons.end()
    assert {"rae_auto.daemon.daemon", "asyncpg"} <= {*modules}
    assert UNUSED_WITH_POSTGRES & {*modules} == set()
    assert len(modules) <= 720, modules


MOVED_JOBS = """
[jobs.hello]
command = ["true"]
schedule = "0 3 * * *"
[jobs.paused]
command = ["true"]
schedule = "* * * * * *"
"""


def test_installation_moves_to_postgres_and_back(
    tmp_path: Path, empty_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the guide says: nothing is missing after either way, and what was decided stays so."""
    monkeypatch.setenv("PYTHONPATH", str(install_contrib_plugin("rae-store-postgres", tmp_path / "plugin")))
    home = tmp_path / "home"
    home.mkdir()
    daemons = Daemons(home, MOVED_JOBS)

    def call(*arguments: str) -> None:
        environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
        command = [sys.executable, "-m", "rae_auto", *arguments, "--config", str(daemons.config)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def run_hello() -> None:
        run = daemons.ask("trigger", job="hello", request=None)["run_id"]
        eventually(lambda: daemons.ask("history", run=run)[0]["finished_at"])

    def look() -> tuple[Any, ...]:
        """Return the kind of store, the runs, and what is known of each job."""
        jobs = [[job[key] for key in ("id", "paused_at", "next_at", "last_run")] for job in daemons.ask("list")]
        return daemons.ask("status")["store"], jobs, daemons.ask("history", job="hello", limit=100)

    def move(backup: str, text: str, *between: str) -> None:
        call("stop")
        daemons.started[-1].wait(60)
        call("backup", str(home / backup))
        daemons.write(text)
        if between:
            call(*between)
        call("restore", "--replace", str(home / backup))
        daemons.serve()

    try:
        daemons.serve()
        daemons.ask("pause", job="paused")
        run_hello()
        kind, *before = look()
        assert kind == "sqlite"
        postgres = f'[store]\ntype = "postgres"\ndsn = "{empty_server.dsn()}"\n'
        move("there.rae", postgres + MOVED_JOBS, "postgres", "migrate")
        assert look() == ("postgres", *before)
        run_hello()
        _, *after = look()
        assert len(after[1]) == len(before[1]) + 1
        move("back.rae", MOVED_JOBS)
        assert look() == ("sqlite", *after)
    finally:
        daemons.end()
