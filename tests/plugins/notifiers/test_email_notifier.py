"""The email notifier against a real SMTP server: encryption, login, refusals, and a mail program."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.support.mail_server import PASSWORD, Mailserver, read_mail, running_mail_server

from rae_auto.api import Notifier
from rae_auto.config.options import build, warnings_of
from rae_auto.registry import Registry
from rae_auto.runtime.reporting.sample_notice import deliver_sample
from rae_auto.testing.notifiers import NOTICE, NotifierConformance
from rae_plugins.notifiers.email import EmailNotifier

SENDMAIL = """#!{python}
import pathlib, sys
assert sys.argv[1:] == ["-i", "-t"], sys.argv
pathlib.Path({target!r}).write_bytes(sys.stdin.buffer.read())
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Mailserver]]:
    """Starts servers, and stops them at the end."""
    with ExitStack() as servers:
        yield lambda *options: servers.enter_context(running_mail_server(tmp_path / "mails", *options))


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return f"${{file:{path}}}"


def notify(notifier: Notifier, **changes: Any) -> None:
    asyncio.run(notifier.notify(attrs.evolve(NOTICE, **changes)))


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


class TestEmailConforms(NotifierConformance):
    @pytest.fixture
    def server(self, start: Callable[..., Mailserver]) -> Mailserver:
        return start()

    @pytest.fixture
    def plugin(self, server: Mailserver) -> Notifier:
        return EmailNotifier(**server.options)

    @pytest.fixture
    def read(self, server: Mailserver) -> Callable[[], list[str]]:
        return lambda: [text_of(mail).splitlines()[0] for mail in server.mails]

    @pytest.fixture
    def failing(self, server: Mailserver) -> Notifier:
        return EmailNotifier(**{**server.options, "to": "nobody@example.org"})


def test_mail_has_all_facts_in_text_and_html(start: Callable[..., Mailserver]) -> None:
    server = start()
    changes = {
        "host": "attic",
        "failures": 3,
        "duration": timedelta(seconds=90),
        "usual_duration": timedelta(seconds=4),
        "output": "rsync: <no space> & left",
        "cause": "it was due",
    }
    notify(EmailNotifier(**{**server.options, "to": ["ops@example.org", "me@example.org"]}), **changes)
    (mail,) = server.mails
    assert mail["Subject"] == "[attic] backup failed: exit code 3"
    assert mail["To"] == "ops@example.org, me@example.org"
    assert mail["From"] == "rae-auto@attic"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert text_of(mail).splitlines() == [
        "backup failed: exit code 3",
        "",
        "job: backup",
        "host: attic",
        "finished: Sat 2026-01-31 18:00:00 UTC",
        "duration: 1 min 30 s (usually 4 s)",
        "exit code: 3",
        "failures in a row: 3",
        "why it ran: it was due",
        "run: backup-1",
        "look further: rae-auto output backup-1; rae-auto why backup --run backup-1",
        "",
        "last lines of output:",
        "  rsync: <no space> & left",
    ]
    html = mail.get_body(("html",))
    assert html is not None
    assert "rsync: &lt;no space&gt; &amp; left" in html.get_content()


def test_sample_names_no_run_to_look_at(start: Callable[..., Mailserver]) -> None:
    server = start()
    asyncio.run(deliver_sample("mail", {"mail": EmailNotifier(**server.options)}, NOTICE.at))
    (mail,) = server.mails
    assert "a test notice" in text_of(mail)
    assert "look further" not in text_of(mail)


def test_same_notice_has_the_same_message_id(start: Callable[..., Mailserver]) -> None:
    server = start()
    for id in ("run-1.failure", "run-1.failure", "run-1.recovery"):
        notify(EmailNotifier(**server.options), id=id)
    first, second, other = (mail["Message-ID"] for mail in server.mails)
    assert first == second != other


def test_gathered_notices_are_listed(start: Callable[..., Mailserver]) -> None:
    server = start()
    notify(EmailNotifier(**server.options), notices=(NOTICE, attrs.evolve(NOTICE, text="<b> failed")))
    (mail,) = server.mails
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "18:00:00 UTC: backup failed: exit code 3\r\n" in plain.get_content()
    assert "<li>&lt;b&gt; failed</li>" in html.get_content()


def test_login_happens_over_tls_alone(start: Callable[..., Mailserver], password: str) -> None:
    server = start("login")
    notify(EmailNotifier(**server.options, user="me", password=password))
    assert len(server.mails) == 1
    with pytest.raises(RuntimeError, match=r"127\.0\.0\.1:\d+: .*check security"):
        notify(EmailNotifier(**server.options, user="me", password=password, security="none"))


def test_server_without_encryption_differs_from_others(start: Callable[..., Mailserver]) -> None:
    server = start("plain")
    with pytest.raises(RuntimeError, match=r'by server; check security, which is "none" for'):
        notify(EmailNotifier(**{**server.options, "security": "starttls"}))


def test_wrong_password_is_named_and_not_shown(start: Callable[..., Mailserver], monkeypatch: Any) -> None:
    server = start("login")
    monkeypatch.setenv("MAIL_PASSWORD", "guessed wrong")
    with pytest.raises(RuntimeError, match='refused the login of "me"; check user and password') as error:
        notify(EmailNotifier(**server.options, user="me", password="${env:MAIL_PASSWORD}"))
    assert "guessed" not in str(error.value)


def test_unknown_certificate_is_refused(start: Callable[..., Mailserver]) -> None:
    server = start()
    with pytest.raises(RuntimeError, match=r"no secure connection .*; check host, security and ca_file"):
        notify(EmailNotifier(**{**server.options, "ca_file": ""}))
    assert server.mails == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "nobody@example.org"}, "refused the recipient (nobody@example.org: no such mailbox); check to"),
        ({"port": 1}, "127.0.0.1:1: can't be reached (Connection refused); check host and port"),
    ],
)
def test_refusals_name_the_server_and_the_option(
    start: Callable[..., Mailserver], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RuntimeError) as error:
        notify(EmailNotifier(**{**start().options, **options}))
    assert message in str(error.value)


def test_refused_mail_is_reported_in_the_words_of_the_server(start: Callable[..., Mailserver]) -> None:
    server = start()
    server.refuse("552 mailbox is full")
    with pytest.raises(RuntimeError, match=r"refused the mail \(mailbox is full\)"):
        notify(EmailNotifier(**server.options))


def test_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(RuntimeError, match=r"127\.0\.0\.1.*(did not answer within 0\.2 s|timed out)"):
            notify(EmailNotifier(to="ops@example.org", host="127.0.0.1", port=port, timeout="200ms"))


def test_without_a_host_the_mail_program_sends(tmp_path: Path) -> None:
    program, target = tmp_path / "sendmail", tmp_path / "mail"
    program.write_text(SENDMAIL.format(python=sys.executable, target=str(target)))
    program.chmod(0o700)
    notify(EmailNotifier(to="ops@example.org", sendmail=str(program)))
    assert text_of(read_mail(target)).startswith("backup failed")


def test_missing_mail_program_is_named() -> None:
    with pytest.raises(RuntimeError, match='program "no-such-sendmail" not found; install a mail program, or set host'):
        notify(EmailNotifier(to="ops@example.org", sendmail="no-such-sendmail"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "to: is missing"),
        ({"to": []}, 'to: must have an address, as in "ops@example.org"'),
        ({"to": "ops"}, 'to: must be a list of addresses, as in ["ops@example.org"], not "ops"'),
        ({"to": "a@b\nBcc: c@d"}, "must be a list of addresses"),
        ({"to": "a@b", "security": "ssl"}, "security: must be one of starttls, tls, none"),
        ({"to": "a@b", "host": "h", "user": "me"}, "user and password belong together; set both or neither"),
        ({"to": "a@b", "password": "secret"}, "password: must be a reference, ${file:PATH} or ${env:NAME}"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception) as error:
        build(EmailNotifier, options, timezone="UTC", plugins=Registry())
    assert message in str(error.value)
    assert "secret" not in str(error.value)


def test_check_warns_of_a_password_that_others_can_read(password: str) -> None:
    path = Path(password[len("${file:") : -1])
    notifier = EmailNotifier(to="a@b", host="h", user="me", password=password)
    assert warnings_of(notifier) == ()
    path.chmod(0o644)
    assert "other users can read" in warnings_of(notifier)[0]
