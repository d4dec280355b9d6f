"""A machine of its own for the checks of `rae-auto doctor`: healthy, until a test puts a fault in its place."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from rae_auto._version import __version__
from rae_auto.errors import SchedulerError
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.offline.doctor.diagnosis import diagnose_all
from rae_auto.offline.doctor.facts import Machine
from rae_auto.offline.doctor.finding import Finding
from rae_auto.paths import STATE_MARKER
from rae_plugins.stores.sqlite import SqliteStore

CONFIG = """timezone = "Europe/Berlin"
loggers = ["file"]
[jobs.noon]
command = ["true"]
schedule = "0 12 * * *"
"""
DAEMON: Mapping[str, Any] = {"version": __version__, "pid": 4711, "problems": []}


class World:
    """A home with a configuration and a state, system files below `root`, and the environment of a shell."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.monkeypatch = home, monkeypatch
        self.root, self.state, self.config = home / "root", home / "state", home / "rae.toml"
        self.programs = home / "bin"
        self.facts: dict[str, Any] = {}
        self.answer: Mapping[str, Any] | SchedulerError = DAEMON
        self.write_system("/proc/sys/fs/inotify/max_user_watches", "65536\n")
        self.write_system("/proc/sys/fs/inotify/max_user_instances", "128\n")
        self.configure(CONFIG)
        self.programs.mkdir()
        for name in ("systemctl", "loginctl"):
            self.add_program(name, "")
        self.environment = {"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("RAE_STATE_DIR", str(self.state))
        for name in ("XDG_CONFIG_HOME", "RAE_CONFIG", "INVOCATION_ID", "JOURNAL_STREAM", "TZ"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("rae_auto.service.systemd.LINGER_DIRECTORY", home / "linger")
        self.make_store()

    def make_store(self, *jobs: Job) -> None:
        """Make a store as a daemon leaves it, with jobs that were added."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        (self.state / STATE_MARKER).write_text("{}\n")
        self.put(*jobs)

    def put(self, *values: Job | OutboxNotice) -> None:
        """Write documents into the store."""
        from rae_auto.api import Put

        store = SqliteStore()
        store.open(self.state)
        store.commit([Put(*documents.document_key(value), documents.dump(value)) for value in values])
        store.close()

    def configure(self, text: str) -> None:
        self.config.write_text(text)
        self.config.chmod(0o600)

    def add(self, text: str) -> None:
        self.configure(CONFIG + text)

    def add_before(self, text: str) -> None:
        """Add keys of the top level, which replace those of the same name."""
        keys = {line.partition(" = ")[0] for line in text.splitlines()}
        rest = [line for line in CONFIG.splitlines() if line.partition(" = ")[0] not in keys]
        self.configure("\n".join([text, *rest, ""]))

    def write_system(self, path: str, text: str) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def add_program(self, name: str, body: str, folder: str = "bin") -> Path:
        path = self.home / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def set_environment(self, **variables: str) -> None:
        self.environment.update(variables)
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    def give_daemon(self, **changes: str) -> None:
        """Let the daemon have another environment than the shell."""
        self.facts["daemon_environment"] = {**self.environment, **changes}

    def find(self) -> list[Finding]:
        facts: dict[str, Any] = {"user": os.geteuid(), "open_files": (1024, 4096), "now": datetime.now(UTC)}
        machine = attrs.evolve(Machine(environment=self.environment, root=self.root, now=facts.pop("now")), **facts)
        return diagnose_all(self.config, attrs.evolve(machine, **self.facts), self.answer)

    def problems(self) -> list[Finding]:
        return [finding for finding in self.find() if finding.hint is not None]
