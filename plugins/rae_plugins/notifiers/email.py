"""The email notifier: notices go to mailboxes, by an SMTP server or by this machine's own mail program."""

import os
import ssl
import subprocess
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import converters, field, frozen, validators

from rae_auto.api import Notice, Notifier
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.problems import invalid
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.environment import inherited_environment
from rae_auto.toolkit.notices import notice_body, notice_facts, notice_title
from rae_auto.toolkit.programs import find_inherited_program_problem
from rae_auto.toolkit.secrets import Secret, to_secret
from rae_auto.toolkit.threads.blocking_calls import call_with_timeout

if TYPE_CHECKING:
    from email.message import EmailMessage
    from smtplib import SMTP

MAX_SUBJECT_CHARACTERS = 200

_SENDMAIL_DIRECTORIES = "/usr/sbin:/usr/lib"
"""Directories of the mail program that are on few users' PATH."""


class Security(StrEnum):
    """Encryption of the connection to the server."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


DEFAULT_PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


def _addresses(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _check_addresses(_: object, __: object, addresses: tuple[str, ...]) -> None:
    if not addresses:
        raise invalid('must have an address, as in "ops@example.org"', "to")
    for address in addresses:
        if not isinstance(address, str) or "@" not in address or not address.isprintable() or "," in address:
            raise invalid(f'must be a list of addresses, as in ["ops@example.org"], not {quote(str(address))}', "to")


@frozen(kw_only=True)
class EmailNotifier(Notifier):
    """Sends each notice as a mail, in plain text and in HTML."""

    type: ClassVar[str] = "email"
    example: ClassVar[Mapping[str, Any]] = {"to": "ops@example.org", "host": "smtp.example.org"}

    to: str | tuple[str, ...] = field(
        converter=_addresses, validator=_check_addresses, metadata={"help": "the address, or a list of addresses"}
    )
    from_: str = field(default="", metadata={"help": "the sender; rae-auto@HOST if absent"})
    host: str = field(
        default="", metadata={"help": "the SMTP server; if absent, the program `sendmail` sends the mail"}
    )
    port: int | None = field(
        default=None,
        validator=validators.optional([validators.ge(1), validators.le(65535)]),
        metadata={"help": "port of the server: 587 for starttls, 465 for tls, 25 for none"},
    )
    security: Security = field(
        default=Security.STARTTLS, converter=Security, metadata={"help": "encryption of the connection"}
    )
    user: str = field(default="", metadata={"help": "user name at the server; no login if absent"})
    password: Secret | None = field(
        default=None,
        converter=converters.optional(to_secret),
        metadata={"help": "password, as ${file:PATH} or another reference"},
    )
    ca_file: str = field(default="", metadata={"help": "certificates to trust instead of this machine's"})
    sendmail: str = field(default="sendmail", metadata={"help": "the mail program that is used without a host"})
    timeout: timedelta = field(
        default=timedelta(seconds=20), converter=parse_duration, metadata={"help": "time that sending may take"}
    )

    def __attrs_post_init__(self) -> None:
        if self.host and bool(self.user) != (self.password is not None):
            raise invalid("user and password belong together; set both or neither")

    def warnings(self) -> tuple[str, ...]:
        """Return a warning about a mail program that isn't there."""
        return () if self.host else tuple(filter(None, [find_inherited_program_problem(self._program())]))

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return why the server takes no mail: it is asked to encrypt and to accept the login, and gets no mail."""
        if not self.host:
            return ()
        try:
            self._use_server(lambda server: server.noop())
        except (OSError, RuntimeError, TimeoutError, ValueError) as error:
            return (str(error),)
        return ()

    async def notify(self, notice: Notice) -> None:
        """Send the mail. Errors: RuntimeError or OSError, with the server and its answer."""
        seconds = self.timeout.total_seconds()
        send = self._send_by_smtp if self.host else self._send_by_program
        message = self._message(notice)
        try:
            await call_with_timeout((self, notice), lambda: send(message), seconds)
        except TimeoutError:
            raise RuntimeError(f"{self.host or self.sendmail} did not answer within {seconds:g} s") from None

    def _message(self, notice: Notice) -> "EmailMessage":
        from email.message import EmailMessage  # lazy: memory
        from email.utils import format_datetime

        host = notice.host or "localhost"
        message = EmailMessage()
        message["Subject"] = " ".join(notice_title(notice).split())[:MAX_SUBJECT_CHARACTERS]
        message["From"] = self.from_ or f"rae-auto@{host}"
        message["To"] = ", ".join(_addresses(self.to))
        message["Date"] = format_datetime(notice.at)
        # The same for the same notice, so that mailboxes drop what a crash makes us send again.
        if notice.id:
            message["Message-ID"] = f"<{notice.id}@{host}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice_body(notice))
        message.add_alternative(_html(notice), subtype="html")
        return message

    def _send_by_smtp(self, message: "EmailMessage") -> None:
        self._use_server(lambda server: server.send_message(message))

    def _use_server(self, use: "Callable[[SMTP], object]") -> None:
        """Connect to the server, log in, and call `use`. Raises RuntimeError with the server and its answer."""
        import smtplib  # lazy: memory

        port = self.port or DEFAULT_PORTS[self.security]
        place = f"{self.host}:{port}"
        seconds = self.timeout.total_seconds()
        try:
            # The authorities of the system take a megabyte.
            tls = None if self.security is Security.NONE else ssl.create_default_context(cafile=self.ca_file or None)
            if self.security is Security.TLS:
                server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, port, timeout=seconds, context=tls)
            else:
                server = smtplib.SMTP(self.host, port, timeout=seconds)
            with server:
                if self.security is Security.STARTTLS:
                    server.starttls(context=tls)
                if self.password is not None:
                    server.login(self.user, self.password.reveal("password"))
                use(server)
        except smtplib.SMTPException as error:
            raise RuntimeError(f"{place}: {_describe(error, self.user)}") from None
        except ssl.SSLError as error:
            hint = "check host, security and ca_file"
            raise RuntimeError(f"{place}: no secure connection ({error.reason or error}); {hint}") from None
        except OSError as error:
            raise RuntimeError(f"{place}: can't be reached ({error.strerror or error}); check host and port") from None

    def _program(self) -> str:
        from shutil import which

        return which(self.sendmail) or which(self.sendmail, path=_SENDMAIL_DIRECTORIES) or self.sendmail

    def _send_by_program(self, message: "EmailMessage") -> None:
        try:
            ended = subprocess.run(
                [self._program(), "-i", "-t"],
                input=message.as_bytes(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=inherited_environment(os.environ),
                timeout=self.timeout.total_seconds(),
                check=False,
            )
        except FileNotFoundError:
            hint = "install a mail program, or set host to an SMTP server"
            raise RuntimeError(f"program {quote(self.sendmail)} not found; {hint}") from None
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error
        if ended.returncode:
            said = " ".join(ended.stderr.decode(errors="replace").split())[:200]
            raise RuntimeError(f"{quote(self.sendmail)} failed with exit code {ended.returncode}: {said}")


def _describe(error: Exception, user: str) -> str:
    """Return what a server refused, in one line."""
    import smtplib

    match error:
        case smtplib.SMTPAuthenticationError():
            return f"refused the login of {quote(user)}; check user and password"
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            said = "; ".join(f"{address}: {_text(reply)}" for address, (_, reply) in refused.items())
            return f"refused the recipient ({said}); check to"
        case smtplib.SMTPSenderRefused(sender=sender, smtp_error=reply):
            return f"refused the sender {quote(str(sender))} ({_text(reply)}); set from"
        case smtplib.SMTPResponseException(smtp_error=reply):
            return f"refused the mail ({_text(reply)})"
        case smtplib.SMTPNotSupportedError():
            hint = ', which is "none" for a server without encryption' if "STARTTLS" in str(error) else ""
            return f"{str(error).rstrip('.')}; check security{hint}"
        case smtplib.SMTPServerDisconnected():
            return "closed the connection; check port and security"
    return str(error)


def _text(reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return " ".join(text.split())[:200]


def _html(notice: Notice) -> str:
    rows = "".join(
        f"<tr><th align=left valign=top>{escape(label)}</th><td>{escape(value)}</td></tr>"
        for label, value in notice_facts(notice)
    )
    output = f"<p>last lines of output:</p><pre>{escape(notice.output)}</pre>" if notice.output else ""
    items = "".join(f"<li>{escape(notice_title(one))}</li>" for one in notice.notices)
    gathered = f"<ul>{items}</ul>" if items else ""
    return f"<p><b>{escape(notice.text)}</b></p>{gathered}<table>{rows}</table>{output}"


@hookimpl
def rae_notifiers() -> list[type[Notifier]]:
    """Return the email notifier."""
    return [EmailNotifier]
