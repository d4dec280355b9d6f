"""Resident memory that the native log and notifiers add: `python tests/benchmarks/memory_of_notices.py [TIMES]`.

Real daemons with one job that fails: one that logs to a file, and others that log to the native log and notify by
e-mail (to an SMTP server of this benchmark) and on the desktop, where that notifier is installed. Each is measured
after it has come to rest, and once more after it has delivered a notice, because notifiers import what they need only
then. Printed is the median over the repetitions, by default 3, and what it is above the first.
"""

import smtplib
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from statistics import median

from measuring.daemons import rae_daemon, run_rae_auto
from measuring.processes import resident_mb, wait_until

REST_SECONDS = 3.0
"""Time after which a daemon has come to rest."""

JOB = '[jobs.bad]\ncommand = ["false"]\n'


def main(repetitions: int) -> None:
    with smtp_server() as mail:
        variants = list_variants(mail.port)
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
        for _ in range(repetitions):
            for name, tables in variants.items():
                figures[name].append(measure(tables, mail if "e-mail" in name else None))
    at_rest, after = (median(pair[which] for pair in figures["file log"]) for which in (0, 1))
    for name, pairs in figures.items():
        rest, used = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        print(
            f"{name:>32}: {rest:5.1f} MB at rest ({rest - at_rest:+.1f}), "
            f"{used:5.1f} MB after a failure was reported ({used - after:+.1f})"
        )


def list_variants(port: int) -> dict[str, tuple[str, ...]]:
    """Return the tables of each configuration by the name of it."""
    native = 'loggers = ["native"]\n'
    email = f'type = "email"\nhost = "127.0.0.1"\nport = {port}\nto = "a@example.org"'
    email = f'[notifiers.mail]\n{email}\nsecurity = "none"'
    desktop = '[notifiers.desk]\ntype = "desktop"'
    notify = f'{JOB}notify = {{ on = ["failure"] }}'
    variants = {
        "file log": ('loggers = ["file"]\n', JOB),
        "native log": (native, JOB),
        "native log, e-mail": (native, email, notify),
    }
    if any(found.name == "desktop" for found in entry_points(group="rae_auto.notifiers")):
        variants["native log, e-mail, desktop"] = (native, email, desktop, notify)
    else:
        print("without a desktop notifier, because none is installed")
    return variants


def measure(tables: tuple[str, ...], mail: "MailServer | None") -> tuple[float, float]:
    """Return the resident memory of a daemon at rest, and after a run that failed was reported, in MB."""
    with tempfile.TemporaryDirectory() as folder, rae_daemon(Path(folder), *tables) as pid:
        time.sleep(REST_SECONDS)
        at_rest, received = resident_mb(pid), mail.received if mail else 0
        run_rae_auto(Path(folder), "trigger", "bad")
        if mail is not None:
            wait_until(lambda: mail.received > received, "no mail arrived")
        time.sleep(REST_SECONDS)
        return at_rest, resident_mb(pid)


class MailServer:
    """An SMTP server that takes any mail and counts it."""

    def __init__(self) -> None:
        self.received = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def serve(self) -> None:
        """Serve one client after the other until the socket is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, client.makefile("rwb", buffering=0) as lines:
                self._talk(lines)

    def _talk(self, lines: socket.SocketIO) -> None:
        lines.write(b"220 ready\r\n")
        is_data = False
        for line in lines:
            if is_data:
                if line != b".\r\n":
                    continue
                is_data = False
                self.received += 1
            word = line[:4].upper()
            is_data = word == b"DATA"
            lines.write(b"354 go on\r\n" if is_data else b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


@contextmanager
def smtp_server() -> Iterator[MailServer]:
    server = MailServer()
    threading.Thread(target=server.serve, daemon=True).start()
    smtplib.SMTP("127.0.0.1", server.port).quit()
    yield server
    server.listener.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
