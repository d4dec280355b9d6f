"""Plants a mistake in a distribution, and notes what the commands and a daemon say of it, and how the daemon is."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from attrs import evolve, field, frozen
from tests.mistakes.planted import Planted
from tests.support.daemons import Daemons

from rae_auto.errors import SchedulerError

GOOD_JOB = '[jobs.good]\ncommand = ["true"]\ntrigger = { type = "interval", every = "1s" }\n'
TOP = 'loggers = ["console"]\nshutdown_grace = "1s"\n'
MAX_STOP_SECONDS = 30.0
_RULE = re.compile(r"\[[a-z]+(-[a-z]+)*\]$")
"""The end of a finding of 'plugins check', which prints the distribution below."""

_ABOUT = re.compile(r"\bbad\b|rae-bad|rae_bad")

MIN_TICKS = 3
"""Starts of the other job, one a second, that show that the daemon goes on."""


@frozen
class Answer:
    """The parts of an answer: the distribution, the file and line, a hint; and in `says` one line that has them."""

    distribution: bool = False
    place: bool = False
    hint: bool = False
    says: str = ""

    @property
    def mark(self) -> str:
        """Letters for what is said, or a dash."""
        letters = "P" * bool(self.says) + "D" * self.distribution + "L" * self.place + "R" * self.hint
        return letters or "-"

    @property
    def is_whole(self) -> bool:
        return self.distribution and self.place and self.hint


@frozen
class Outcome:
    """Findings about a mistake; `daemon` and the rest only where a daemon was run."""

    mistake: Planted
    check: Answer
    daemon: Answer | None = None
    ticks: int = 0
    stop_seconds: float | None = None
    """Time that SIGTERM took; None if it needed SIGKILL."""
    crash: str = ""
    """The last line of a traceback, or of a daemon that ended by itself."""
    log: list[str] = field(factory=list, repr=False)

    @property
    def state(self) -> str:
        """The state of the daemon, in the words of the review."""
        if self.daemon is None:
            return "not run: check names it"
        if self.crash.startswith("rae-auto: "):
            return "refuses"
        if self.crash:
            return f"ends: {self.crash}"
        if self.stop_seconds is None:
            return "needs kill -9"
        return "up" if self.ticks >= MIN_TICKS else "limps"


def install(mistake: Planted, folder: Path) -> Path:
    """Write the distribution, and return the folder to import it from."""
    site = folder / "site"
    site.mkdir(parents=True)
    (site / "rae_bad.py").write_text(mistake.source, encoding="utf-8")
    for name in ("rae-bad", "rae-worse")[: 1 + mistake.twice]:
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: rae-auto\n")
        group = mistake.group or f"rae_auto.{mistake.kind}s"
        if mistake.point:
            (info / "entry_points.txt").write_text(f"[{group}]\n{mistake.name} = {mistake.point}\n")
        (info / "RECORD").write_text(f"rae_bad.py,,\n{info.name}/METADATA,,\n{info.name}/entry_points.txt,,\n")
    return site


def run_mistake(mistake: Planted, folder: Path, *, with_daemon: bool = True) -> Outcome:
    """Return what is said of a mistake, by `plugins check` and `check`, and by a daemon where one can be run."""
    site = install(mistake, folder)
    environment = {**os.environ, "PYTHONPATH": str(site), "RAE_STATE_DIR": str(folder / "state")}
    config = folder / "rae.toml"
    config.write_text(_config(mistake))
    config.chmod(0o600)
    target = mistake.name if mistake.name != "cron" else "rae-bad"
    lines = _command(environment, "plugins", "check", target) + _command(environment, "check", str(config))
    check = judge(lines)
    if not (with_daemon and mistake.runs):
        return Outcome(mistake, check)
    return _observe(mistake, check, folder, site)


def _config(mistake: Planted) -> str:
    top = TOP if mistake.kind != "logger" else 'shutdown_grace = "1s"\n'
    plain, *tables = re.split(r"^(?=\[)", mistake.top, maxsplit=1, flags=re.MULTILINE)
    return top + plain + GOOD_JOB + mistake.job + "".join(tables)


def _command(environment: dict[str, str], *words: str) -> list[str]:
    command = [sys.executable, "-m", "rae_auto", *words]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return ["rae-auto hangs"]
    return (done.stdout + done.stderr).splitlines()


def judge(lines: Iterable[str]) -> Answer:
    """Return what the lines say together that name a fault of the plugin, by its name, its distribution or its file."""
    found = [line for line in lines if _RULE.search(line) or (_is_report(line) and "; " in line)]
    text = "\n".join(found)
    return Answer(
        re.search(r"rae-(bad|worse)", text) is not None or any(_RULE.search(line) for line in found),
        re.search(r"rae_bad\.py:\d+|rae_bad\.py, line \d+|rae_bad line \d+|rae\.toml:\d+|entry_points\.txt:\d+", text)
        is not None,
        bool(found),
        max(found, key=lambda line: ("rae-bad" in line, "rae_bad.py" in line, -len(line)), default=""),
    )


def _is_report(line: str) -> bool:
    """Return whether a line is about the plugin, and more than that the job of its name starts."""
    return _ABOUT.search(line) is not None and " INFO " not in line


def is_over(_: Outcome) -> bool:
    """Return whether a daemon needs no more time; in a campaign each has all of it."""
    return False


def _observe(mistake: Planted, check: Answer, folder: Path, site: Path) -> Outcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site))
        daemon = Daemons(folder, _config(mistake), state=folder / "state")
        process = daemon.launch()
    deadline, outcome = time.monotonic() + mistake.seconds, Outcome(mistake, check, Answer())
    while time.monotonic() < deadline and process.poll() is None and not is_over(outcome):
        outcome = _ask(daemon, outcome)
        time.sleep(0.5)
    if process.poll() is None:
        outcome = evolve(outcome, stop_seconds=_stop(process))
    else:
        last = next((line for line in reversed(daemon.output().splitlines()) if line.strip()), "")
        outcome = evolve(outcome, crash=last)
    daemon.end()
    log = [*daemon.output().splitlines(), *outcome.log]
    return evolve(outcome, daemon=judge(log), log=log)


def _ask(daemon: Daemons, outcome: Outcome) -> Outcome:
    """Return what the status and the history add."""
    try:
        problems = [*_texts(daemon.ask("status"))]
        ticks = json.dumps(daemon.ask("history", limit=500)).count('"good"')
    except (SchedulerError, OSError):
        return outcome
    found = judge([*problems, *daemon.output().splitlines()])
    return evolve(outcome, log=problems, ticks=max(ticks, outcome.ticks), daemon=found)


def _stop(process: "subprocess.Popen[bytes]") -> float | None:
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(MAX_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return None
    return time.monotonic() - began


def _texts(value: object) -> Iterable[str]:
    """Yield every text of an answer."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
