"""TLS that asyncio loads late. Each test is a program of its own, because this process has loaded both long ago."""

import subprocess
import sys
from pathlib import Path

import trustme

BEGINNING = """
import sys
from rae_auto.toolkit.threads.late_tls import import_asyncio_without_tls

import_asyncio_without_tls()
import asyncio
"""

PLAIN = """
async def main():
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await reader.read() == b""
    writer.close()
    server.close()

asyncio.run(main())
print([name for name in ("ssl", "_ssl", "asyncio.sslproto") if name in sys.modules])
"""

BY_TLS = """
async def main():
    import ssl

    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    accepting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    accepting.load_cert_chain(sys.argv[1])
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=accepting)
    address = server.sockets[0].getsockname()
    trusting = ssl.create_default_context(cafile=sys.argv[2])
    reader, writer = await asyncio.open_connection(*address, ssl=trusting, server_hostname="localhost")
    writer.write(b"hello\\n")
    print(await reader.readline())
    writer.close()
    try:
        await asyncio.open_connection(*address, ssl=True, server_hostname="localhost")
    except ssl.SSLCertVerificationError:
        print("refused")
    server.close()

asyncio.run(main())
import asyncio.sslproto
print(asyncio.sslproto.SSLProtocol.__name__)
"""


def run(program: str, *arguments: Path) -> list[str]:
    command = [sys.executable, "-c", BEGINNING + program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_connections_without_tls_load_none() -> None:
    assert run(PLAIN) == ["[]"]


def test_connections_by_tls_load_it_and_check_certificates(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    found = run(BY_TLS, tmp_path / "server.pem", tmp_path / "ca.pem")
    assert found == ["b'hello\\n'", "refused", "SSLProtocol"]


def test_asyncio_that_has_tls_already_stays_as_it_is() -> None:
    loaded = "import asyncio, ssl\n" + BEGINNING + "print(asyncio.base_events.ssl is ssl)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\n", done.stderr
