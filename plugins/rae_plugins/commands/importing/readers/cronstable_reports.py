"""Reports of cronstable and yacron as notifiers: mail, webhook and shell; sentry and the others are remarks."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from rae_plugins.commands.importing.imported import JobNames
from rae_plugins.commands.importing.readers.taking import Taking, shorten

_EVENTS: Mapping[str, str] = {
    "onFailure": "failure",
    "onPermanentFailure": "failure",
    "onSuccess": "success",
    "onLate": "late",
}
_TEMPLATES = ("subject", "body", "html", "contentType", "timeout")


@define
class ReportReader:
    """Gathers the notifiers of all jobs, each once. `remarks` are about all of them."""

    notifiers: dict[str, dict[str, Any]] = field(factory=dict)
    names: JobNames = field(factory=JobNames)
    remarks: dict[str, None] = field(factory=dict)

    def read(self, job: Taking, remarks: list[str]) -> dict[str, Any]:
        """Return the key `notify` of a job, which takes its reports out of it; empty where it reports nothing."""
        events: list[str] = []
        via: list[str] = []
        ways: list[set[str]] = []
        for key, event in _EVENTS.items():
            block = job.take_table(key)
            names = self._read_report(block.take_table("report"), remarks)
            block.remark_rest(f"{key}: ")
            if names:
                events += [event] if event not in events else []
                via += [name for name in names if name not in via]
                ways.append(set(names))
        if not events:
            return {}
        if any(names != ways[0] for names in ways):
            remarks.append("it reports different events in different ways; here all of them go to all")
        if "failure" in events:
            events.insert(1, "recovery")
            self.remarks["a failure is reported once, after the last attempt, and the recovery too"] = None
        return {"notify": {"on": events, "via": via}}

    def _read_report(self, report: Taking, remarks: list[str]) -> list[str]:
        tables = [
            self._read_mail(report.take_table("mail"), remarks),
            self._read_webhook(report.take_table("webhook"), remarks),
            _read_shell(report.take_table("shell"), remarks),
        ]
        sentry = report.take_table("sentry")
        if any(sentry.take_table("dsn").rest()):
            remarks.append(
                "reports to Sentry; rae-notifier-apprise reaches it, or a command notifier with a program of its own"
            )
        if report.take_table("push").take_flag("enabled", default=False):
            remarks.append("reports by cronstable's push notices; use a webhook notifier, for example with ntfy")
        if report.take_table("eventlog").take_flag("enabled", default=False):
            remarks.append('reports to the Windows Event Log; add loggers = ["eventlog"] to the configuration')
        report.remark_rest("report: ")
        return [self._name_of(table) for table in tables if table]

    def _name_of(self, table: dict[str, Any]) -> str:
        for name, known in self.notifiers.items():
            if known == table:
                return name
        name = self.names.take({"email": "mail", "webhook": "webhook"}.get(table["type"], "command"))
        self.notifiers[name] = table
        return name

    def _read_mail(self, mail: Taking, remarks: list[str]) -> dict[str, Any]:
        receivers = [one.strip() for one in (mail.take_text("to") or "").split(",") if one.strip()]
        sender = mail.take_text("from")
        if not receivers or not sender:
            return {}
        table: dict[str, Any] = {
            "type": "email",
            "to": receivers if len(receivers) > 1 else receivers[0],
            "from": sender,
        }
        host, port = mail.take_text("smtpHost"), mail.take_number("smtpPort")
        uses_tls, starts_tls = mail.take_flag("tls", default=False), mail.take_flag("starttls", default=False)
        if host:
            table["host"] = host
            table["port"] = int(port or 25)
            table["security"] = "tls" if uses_tls else "starttls" if starts_tls else "none"
            if (uses_tls or starts_tls) and not mail.take_flag("validate_certs", default=True):
                remarks.append("validate_certs: false has no equivalent; name the server's authority with ca_file")
        mail.forget(("validate_certs",))
        user = mail.take_text("username")
        password = read_secret(mail.take_table("password"), "SMTP_PASSWORD", remarks)
        if user and password:
            table |= {"user": user, "password": password}
        self._remark_templates(mail, "mail")
        return table

    def _read_webhook(self, webhook: Taking, remarks: list[str]) -> dict[str, Any]:
        url = read_secret(webhook.take_table("url"), "WEBHOOK_URL", remarks)
        if not url:
            return {}
        table: dict[str, Any] = {"type": "webhook", "url": url}
        headers = webhook.take("headers", {})
        if isinstance(headers, dict) and headers:
            table["headers"] = {str(name): str(value) for name, value in headers.items()}
        if (method := webhook.take_text("method")) not in (None, "POST"):
            remarks.append(f"the webhook has the method {shorten(method)}; here it is POST")
        self._remark_templates(webhook, "webhook")
        return table

    def _remark_templates(self, report: Taking, name: str) -> None:
        given = [key for key in _TEMPLATES if report.take(key) is not None]
        if given:
            self.remarks[f"the {name} has the text of rae-auto, not that of {', '.join(given)}"] = None
        report.remark_rest(f"{name}: ")


def _read_shell(shell: Taking, remarks: list[str]) -> dict[str, Any]:
    command = shell.take("command")
    program = shell.take_text("shell") or "/bin/sh"
    shell.forget(("timeout",))
    if not command:
        return {}
    remarks.append("the command of the report finds the notice as JSON on standard input, not in its environment")
    words = [str(word) for word in command] if isinstance(command, list) else [*shlex.split(program), "-c", command]
    return {"type": "command", "command": words}


def read_secret(table: Taking, variable: str, remarks: list[str]) -> str | None:
    """Return a reference to a secret of a file or of the environment. A value that is written there is not copied."""
    value, path, name = table.take_text("value"), table.take_text("fromFile"), table.take_text("fromEnvVar")
    if path:
        return f"${{file:{path}}}"
    if name and re.fullmatch(r"[A-Za-z_]\w*", name):
        return f"${{env:{name}}}"
    if value:
        remarks.append(f"the secret that is written in the source is not copied; set {variable} for the daemon")
        return f"${{env:{variable}}}"
    return None
