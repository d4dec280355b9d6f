"""A real SMTP server in a process of its own: `python mail_server.py DIRECTORY [login | plain]`.

It prints its port, keeps each mail as a file of the directory, refuses recipients called `nobody`, and answers as
the file `refusal` says. The certificate is of an authority of its own, `ca.pem`.
"""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "me", "open sesame"


class MailHandler:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.numbers = count()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        refusal = self.directory / "refusal"
        if refusal.exists():
            return refusal.read_text()
        (self.directory / f"{next(self.numbers):04}.mail").write_bytes(envelope.original_content or b"")
        return "250 taken"


def check_login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    is_right = data == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=is_right)


async def serve(directory: Path, *, needs_login: bool, has_tls: bool) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    handler = MailHandler(directory)
    login: dict[str, Any] = {"authenticator": check_login, "auth_required": True} if needs_login else {}
    loop = asyncio.get_running_loop()
    tls = context if has_tls else None
    server = await loop.create_server(lambda: SMTP(handler, tls_context=tls, loop=loop, **login), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Mailserver:
    """The server as its client sees it."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.options = {
            "to": "ops@example.org", "host": "127.0.0.1", "port": port, "ca_file": str(directory / "ca.pem"),
        }  # fmt: skip

    @property
    def mails(self) -> list[EmailMessage]:
        return [read_mail(path) for path in sorted(self.directory.glob("*.mail"))]

    def refuse(self, answer: str) -> None:
        (self.directory / "refusal").write_text(answer)


def read_mail(path: Path) -> EmailMessage:
    return message_from_bytes(path.read_bytes(), policy=policy.default)  # type: ignore[return-value,arg-type]


@contextmanager
def running_mail_server(directory: Path, *options: str) -> Iterator[Mailserver]:
    """Start a server, and stop it at the end."""
    directory.mkdir()
    command = [sys.executable, __file__, directory, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield Mailserver(directory, int(process.stdout.readline()))
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), needs_login="login" in sys.argv, has_tls="plain" not in sys.argv))
