"""Two daemons with one PostgreSQL store.

Run `python -m tests.benchmarks.campaigns.two_daemons --jobs 10000 --commands 2000`.
Resident memory with so many jobs, of the daemon that leads, of the one that stands by, and of a single one with SQLite;
and how many commands that are due at once are started and recorded in a second, by the same. With `--tls` the server is
verified, and what they send is encrypted.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from tests.support.contrib_plugins import install_contrib_plugin
from tests.support.postgres_server import MISSING, start_server

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable

SCHEMA = "rae_measured"
WAIT_SECONDS = 600.0
SETTLE_SECONDS = 3.0
GOAL_MEGABYTES, GOAL_COMMANDS = 60.0, 150.0
"""Memory with 10,000 jobs and commands a second that two daemons are to reach; otherwise it fails."""

TLS_MEGABYTES = 4.0
"""Memory that encrypted connections may take beside that: OpenSSL at work, and a buffer of 0.3 MB for each."""

LEAD_SECONDS = 30.0
"""Time in which the daemons must have started, besides a second for each 100 jobs."""


class Daemon:
    """A daemon with a state directory of its own."""

    def __init__(self, place: Path, text: str, site: Path) -> None:
        """Start it; `ask` waits until it answers."""
        place.mkdir(mode=0o700)
        self.place = place
        (place / "rae.toml").write_text(text)
        (place / "rae.toml").chmod(0o600)
        environment = {**os.environ, "RAE_STATE_DIR": str(place / "state"), "PYTHONPATH": str(site)}
        with (place / "log").open("ab") as log:
            command = [sys.executable, "-m", "rae_auto", "run", "--config", str(place / "rae.toml")]
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, command: str, **arguments: Any) -> Any:
        """Return an answer; None while it gives none."""
        assert self.process.poll() is None, (self.place / "log").read_text()[-2000:]
        try:
            with Client(self.place / "state") as client:
                return client.call(command, **arguments)
        except DaemonUnreachable:
            return None

    def wait_for_state(self, state: str) -> None:
        """Wait until it leads ("running") or stands by ("standby")."""
        wait_for(lambda: (self.ask("status") or {}).get("state") == state)

    def resident_megabytes(self) -> float:
        """Return its resident memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def count_ends(self) -> int:
        """Return the number of runs that have ended and are recorded."""
        found = self.ask("stats")
        return 0 if found is None else int(found["total"])


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it didn't come to pass"
        time.sleep(0.1)


@contextmanager
def started(home: Path, site: Path, text: str, dsn: str | None) -> Iterator[list[Daemon]]:
    """Give a daemon with SQLite, or two with PostgreSQL, of which the first leads."""
    store = "" if dsn is None else f'store = {{ type = "postgres", dsn = "{dsn}", schema = "{SCHEMA}" }}\n'
    daemons: list[Daemon] = []
    try:
        for name in ("only",) if dsn is None else ("leader", "standby"):
            daemons.append(Daemon(home / name, store + text, site))
            daemons[-1].wait_for_state("running" if len(daemons) == 1 else "standby")
        yield daemons
    finally:
        for daemon in daemons:
            daemon.process.terminate()
        for daemon in daemons:
            daemon.process.wait(60)
            shutil.rmtree(daemon.place)


def measure_memory(home: Path, site: Path, jobs: int, dsn: str | None) -> dict[str, float]:
    """Return the megabytes of each daemon with so many jobs."""
    text = 'loggers = ["console"]\n' + "".join(
        f'[jobs.job{number}]\ncommand = ["true"]\nschedule = "{number % 60} {number % 24} 1 1 *"\n'
        for number in range(jobs)
    )
    with started(home, site, text, dsn) as daemons:
        time.sleep(SETTLE_SECONDS)
        return {daemon.place.name: daemon.resident_megabytes() for daemon in daemons}


def measure_rate(home: Path, site: Path, commands: int, dsn: str | None) -> float:
    """Return how many commands that are due at once are run and recorded in a second."""
    due_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=LEAD_SECONDS + commands / 100)
    text = 'timezone = "UTC"\nmax_parallel = 8\nloggers = ["console"]\n' + "".join(
        f'[jobs.job{number}]\ncommand = ["true"]\nschedule = "{due_at:%S %M %H} * * *"\n' for number in range(commands)
    )
    with started(home, site, text, dsn) as daemons:
        assert datetime.now(UTC) < due_at, "the daemons took too long to start; the machine is too busy"
        wait_for(lambda: daemons[0].count_ends() >= commands)
        return commands / (datetime.now(UTC) - due_at).total_seconds()


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--commands", type=int, default=0)
    parser.add_argument("--tls", action="store_true", help="encrypt the connections to PostgreSQL")
    options = parser.parse_args()
    server = start_server()
    if server is None:
        print(MISSING)
        return 1
    home, misses = Path(tempfile.mkdtemp(prefix="rae-two-")), []
    try:
        site = install_contrib_plugin("rae-store-postgres", home / "plugin")
        address = encrypt(server, home) if options.tls else server.dsn()
        prepare(server, site)
        for dsn in (None, address):
            store = "SQLite" if dsn is None else "PostgreSQL with TLS" if options.tls else "PostgreSQL"
            if options.jobs:
                figures = measure_memory(home, site, options.jobs, dsn)
                print(f"{options.jobs} jobs, {store}: " + ", ".join(f"{n} {mb:.1f} MB" for n, mb in figures.items()))
                goal = GOAL_MEGABYTES + TLS_MEGABYTES * options.tls
                misses += [mb for mb in figures.values() if mb > goal and options.jobs <= 10_000]
            if options.commands:
                rate = measure_rate(home, site, options.commands, dsn)
                print(f"{store}: {rate:.0f} commands a second; load {os.getloadavg()[0]:.0f}", flush=True)
                misses += [rate] if rate < GOAL_COMMANDS else []
    finally:
        server.remove()
        shutil.rmtree(home)
    if misses:
        more = f" ({TLS_MEGABYTES:.0f} more with TLS)" if options.tls else ""
        print(f"goals: at most {GOAL_MEGABYTES:.0f} MB{more}, at least {GOAL_COMMANDS:.0f} commands a second")
    return 1 if misses else 0


def encrypt(server: Any, home: Path) -> str:
    """Give the server a certificate that it has signed itself; return the dsn with which it is verified."""
    certificate, key = home / "server.pem", home / "server.key"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", *words, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    server.accept_tls(certificate, key)
    return f"postgresql://postgres@localhost:{server.port}/postgres?sslmode=verify-full&sslrootcert={certificate}"


def prepare(server: Any, site: Path) -> None:
    """Create the tables."""
    sys.path.insert(0, str(site))
    try:
        from rae_store_postgres.link import Address
        from rae_store_postgres.migration import migrate

        asyncio.run(migrate(Address(server.dsn(), SCHEMA)))
    finally:
        sys.path.remove(str(site))


if __name__ == "__main__":
    raise SystemExit(main())
