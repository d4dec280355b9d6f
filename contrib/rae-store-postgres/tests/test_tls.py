"""TLS to a real server, with an authority of the tests' own: what `sslmode=verify-full` accepts and refuses."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rae_store_postgres.link import Address
from rae_store_postgres.migration import migrate
from rae_store_postgres.store import PostgresStore

from rae_auto.api import Put
from rae_auto.api.shared_store import Node
from rae_auto.errors import StoreError

SCHEMA = "rae_auto"
NODE = Node(name="nas-1", host="nas", pid=1)


def make_authority(place: Path, name: str) -> None:
    """Create a certificate that signs others, and its key."""
    key, certificate = str(place / f"{name}.key"), str(place / f"{name}.pem")
    run_openssl("req", "-x509", *KEY, "-subj", f"/CN={name}", "-days", "2", "-keyout", key, "-out", certificate)


def make_certificate(place: Path, authority: str, names: str) -> None:
    """Create the certificate of a server with these names, and its key."""
    run_openssl("req", *KEY, "-subj", "/CN=db", "-keyout", str(place / "db.key"), "-out", str(place / "db.csr"))
    (place / "names").write_text(f"subjectAltName={names}\n")
    signing = ["-CA", str(place / f"{authority}.pem"), "-CAkey", str(place / f"{authority}.key"), "-CAcreateserial"]
    files = ["-in", str(place / "db.csr"), "-out", str(place / "db.pem"), "-extfile", str(place / "names")]
    run_openssl("x509", "-req", "-days", "2", *signing, *files)


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def run_openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two authorities, of which the first one has signed the certificate of "localhost"."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no 'openssl'; run 'apt-get install openssl'")
    place = tmp_path_factory.mktemp("tls")
    make_authority(place, "authority")
    make_authority(place, "stranger")
    make_certificate(place, "authority", "DNS:localhost")
    return place


@pytest.fixture(scope="module")
def tls_server(server: Any, place: Path) -> Iterator[Any]:
    """Start a server of its own, which accepts encrypted connections."""
    if not server.has_tls():
        pytest.skip("this build of PostgreSQL has no TLS; run 'apt-get install postgresql'")
    own = type(server).make(server.programs)
    own.accept_tls(place / "db.pem", place / "db.key")
    asyncio.run(migrate(Address(own.dsn(), SCHEMA)))
    yield own
    own.remove()


def open_store(server: Any, directory: Path, options: str, host: str = "localhost") -> PostgresStore:
    """Return a store that has the claim. Errors: StoreError."""
    store = PostgresStore(dsn=f"postgresql://postgres@{host}:{server.port}/postgres?{options}", schema=SCHEMA)
    directory.mkdir(mode=0o700)
    store.stand_by(directory, NODE, lambda _: None)
    store.open(directory)
    return store


def test_certificate_of_the_named_authority_is_accepted(tls_server: Any, place: Path, tmp_path: Path) -> None:
    store = open_store(tls_server, tmp_path / "state", f"sslmode=verify-full&sslrootcert={place}/authority.pem")
    store.commit([Put("job", "tls", {"n": 1})])
    rows = tls_server.execute(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        " WHERE application_name = 'rae-auto' AND client_port > 0"
    )
    store.close()
    assert [tuple(row) for row in rows] == [(True,)]


@pytest.mark.parametrize(
    ("parameters", "lease", "expected"),
    [
        ("", 2.0, {"TCP_USER_TIMEOUT": 2000, "TCP_KEEPIDLE": 2, "TCP_KEEPINTVL": 1}),
        ("", 60.0, {"TCP_USER_TIMEOUT": 10_000, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 1}),
        ("&tcp_user_timeout=7000&keepalives_idle=9", 2.0, {"TCP_USER_TIMEOUT": 7000, "TCP_KEEPIDLE": 9}),
    ],
)
def test_connection_whose_other_end_vanishes_is_given_up(
    tls_server: Any, parameters: str, lease: float, expected: dict[str, int]
) -> None:
    """The kernel does that, if it is asked to."""
    dsn = f"postgresql://postgres@localhost:{tls_server.port}/postgres?sslmode=require{parameters}"

    async def read() -> tuple[int, dict[str, int]]:
        connection: Any = await Address(dsn, SCHEMA, silence_seconds=lease).connect()
        own = connection._transport.get_extra_info("socket")
        options = {name: own.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in expected}
        keepalives = own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        await connection.close()
        return keepalives, options

    assert asyncio.run(read()) == (1, expected)


@pytest.mark.parametrize(
    ("options", "host", "message"),
    [
        ("sslmode=verify-full&sslrootcert={place}/stranger.pem", "localhost", "is not signed by the authority in"),
        ("sslmode=verify-full&sslrootcert={place}/authority.pem", "127.0.0.1", "is not valid for this host"),
        ("sslmode=verify-full&sslrootcert={place}/nowhere.pem", "localhost", "nowhere.pem"),
        ("sslmode=disable", "localhost", "no encryption"),
    ],
)
def test_what_can_not_be_verified_is_refused_with_its_cause(
    tls_server: Any, place: Path, tmp_path: Path, options: str, host: str, message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        open_store(tls_server, tmp_path / "state", options.format(place=place), host).close()
