"""The hang campaign: each plugin kind, the keeper, the store and the disk hang in each phase of a daemon.

    python -m tests.faults.hangs [TEXT]

`TEXT` chooses the cases whose name contains it. A case is a place that hangs and a phase: the start, the run, a reload,
or the stop. The oracle, for every case:

1. *Answers*: the daemon answers on its control socket.
2. *Others*: another job runs.
3. *Said*: the log or the status says what hangs.
4. *Stop*: after one SIGTERM the process ends within its grace and ten seconds.

Where a case lacks one of the first three, it is listed with the reason in `gap`. What blocks the event loop is
the one gap that is left: it is named after a second, and nothing but the stop works until it returns.
"""

import argparse
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import frozen
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.control.client import Client
from rae_auto.errors import SchedulerError

GRACE_SECONDS = 1
MAX_STOP_SECONDS = GRACE_SECONDS + 10
SLOW_MACHINE_SECONDS = 3
"""Time that the end of a process may take on a busy machine."""

ANSWER_SECONDS = 5.0
SAID_SECONDS = 40.0

BLOCKED = "blocks the event loop"
"""The gap of what is computed in the loop: nothing but the stop works until it returns."""

NOT_YET = "starts nothing before it has its configuration and its store"
NOT_SAVED = "starts nothing that it can't remember"
LOOP = r"event loop was blocked for more than 1 s by [^\n]* of rae_hanging"

QUIET = '[jobs.quiet]\ncommand = ["true"]\n'
ENTRY_POINTS = {
    "triggers": ("hanging-schedule", "hanging-source", "hanging-pattern"),
    "guards": ("hanging-read-guard", "hanging-computed-guard"),
    "executors": ("hanging-executor",),
    "stores": ("hanging-store",),
    "loggers": ("hanging-logger",),
    "notifiers": ("hanging-notifier",),
}


@frozen(kw_only=True)
class Case:
    """A place that hangs in a phase; `said` is a pattern of what the log or the status says of it."""

    kind: str
    place: str
    phase: str
    head: str = ""
    jobs: str = ""
    said: str | None = None
    gap: str | None = None
    trigger: str | None = None
    """A job that is triggered to make the place hang; None if it hangs by itself."""

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.place}, {self.phase}"


@frozen
class Observed:
    """The observations of a case; `stop_seconds` is None if the process had to be killed."""

    answers: bool
    others: bool
    said: bool
    stop_seconds: float | None

    def violations(self, case: Case) -> list[str]:
        """Return the rules that do not hold although no gap is listed."""
        found = [] if self.stop_seconds is not None else ["did not stop in time"]
        if case.gap is None and not self.answers:
            found.append("does not answer")
        if case.gap is None and not self.others:
            found.append("no other job runs")
        if case.said is not None and not self.said:
            found.append("is not said")
        return [f"{case.name}: {problem}" for problem in found]


def _trigger(kind: str, **more: str) -> str:
    return f'[jobs.job]\ncommand = ["true"]\n[jobs.job.trigger]\ntype = "hanging-{kind}"\n'


def _with(line: str) -> str:
    return f'[jobs.job]\ncommand = ["true"]\n{line}\n'


_NOTIFIER_HEAD = '[notifiers.ops]\ntype = "hanging-notifier"\n'
_NOTIFYING = '[jobs.job]\ncommand = ["false"]\nnotify = { on = ["failure"] }\n'
_EXECUTOR = _with('executor = "hanging-executor"')
_READ = _with('guards = ["hanging-read-guard"]\nschedule = "* * * * * *"\nguard_timeout = "1h"')
_COMPUTED = _with('guards = ["hanging-computed-guard"]\nschedule = "* * * * * *"\nguard_timeout = "1h"')
_CREATED = {
    "HangingSchedule": (_trigger("schedule"), ""),
    "HangingSource": (_trigger("source"), ""),
    "HangingPattern": (_trigger("pattern"), ""),
    "HangingExecutor": (_EXECUTOR, ""),
    "HangingNotifier": (QUIET, _NOTIFIER_HEAD),
    "HangingReadGuard": (_READ, ""),
    "HangingComputedGuard": (_COMPUTED, ""),
}
_KEEPER = '[jobs.job]\nshell = "echo $PPID $$ > {home}/pids; exec sleep 300"\n'
_SECRET = _with('env = { TOKEN = "${file:{home}/pipe}" }')


def all_cases() -> Iterator[Case]:
    """Yield every case."""
    for phase in ("start", "run", "stop"):
        looping = {"phase": phase, "gap": BLOCKED, "said": None if phase == "stop" else LOOP}
        yield Case(kind="schedule", place="next_after", jobs=_trigger("schedule"), **looping)
        yield Case(kind="source", place="watch blocks", jobs=_trigger("source"), **looping)
        yield Case(kind="source", place="watch waits", jobs=_trigger("source"), phase=phase)
        yield Case(kind="source", place="watch in a thread", jobs=_trigger("source"), phase=phase)
        yield Case(kind="pattern", place="step", jobs=_trigger("pattern"), **looping)
        yield Case(kind="guard", place="guard evaluate", jobs=_COMPUTED, **looping)
        unanswered = None if phase == "stop" else "has not answered within 10 s"
        yield Case(kind="guard", place="guard read", jobs=_READ, phase=phase, said=unanswered)
        yield Case(kind="guard", place="guard read in a thread", jobs=_READ, phase=phase, said=unanswered)
        hung = None if phase == "stop" else 'logger "hanging-logger" of rae[-_]hanging 1.0 has not taken a line for'
        loggers = 'loggers = ["hanging-logger", "console"]\n'
        often = QUIET + 'schedule = "* * * * * *"\n'
        yield Case(kind="logger", place="logger", head=loggers, jobs=often, phase=phase, said=hung)
        writes = {"head": 'store = "hanging-store"\n', "jobs": QUIET + 'schedule = "* * * * * *"\n'}
        store = None if phase == "stop" else "the store has not answered for"
        yield Case(kind="store", place="store commit", phase=phase, said=store, gap=NOT_SAVED, **writes)
    yield from _of_executors_and_notifiers()
    yield from _of_stores()
    yield from _of_creation()
    # Whether it is known after ten seconds, or ends as an error before, the log says which executor it is.
    keeper = {"gap": "all commands share the keeper", "said": r"does not answer|did not start it"}
    yield Case(kind="keeper", place="keeper stopped", phase="run", jobs=_KEEPER, trigger="job", **keeper)
    # A pipe in the place of a file: refused without waiting for a writer.
    yield Case(kind="disk", place="secret", phase="run", jobs=_SECRET, trigger="job", said="is not a regular file")
    yield Case(kind="disk", place="configuration", phase="reload", jobs=QUIET, said="is not a regular file")
    calendar = _with('guards = [{ type = "calendar", file = "{home}/pipe" }]')
    yield Case(kind="disk", place="calendar", phase="reload", jobs=calendar, said="regular file")


def _of_executors_and_notifiers() -> Iterator[Case]:
    for phase in ("run", "stop"):
        executor = {"kind": "executor", "phase": phase, "jobs": _EXECUTOR, "trigger": "job"}
        is_run = phase == "run"
        yield Case(place="executor open", said="open has not returned" if is_run else None, **executor)
        late = 'executor "hanging-executor" does not answer' if is_run else None
        yield Case(place="executor start", said=late, **executor)
        yield Case(place="executor start in a thread", said=late, **executor)
        blocked = {"said": LOOP if is_run else None, "gap": BLOCKED}
        yield Case(place="executor start blocks", **blocked, **executor)
        yield Case(place="executor wait", **executor)
        notifying = {"kind": "notifier", "phase": phase, "head": _NOTIFIER_HEAD, "jobs": _NOTIFYING, "trigger": "job"}
        given_up = None if phase == "stop" else "it has not returned within 30 s"
        yield Case(place="notify", said=given_up, **notifying)
        yield Case(place="notify in a thread", said=given_up, **notifying)
    yield Case(kind="executor", place="executor close", phase="stop", jobs=_EXECUTOR, trigger="job")


def _of_stores() -> Iterator[Case]:
    head = 'store = "hanging-store"\n'
    opening = {"kind": "store", "phase": "start", "head": head, "jobs": QUIET, "gap": NOT_YET}
    yield Case(place="store open", said="which has not opened yet", **opening)
    yield Case(place="store load", said="has not been read yet", **opening)
    yield Case(kind="store", place="store close", phase="stop", head=head, jobs=QUIET)


def _of_creation() -> Iterator[Case]:
    for name, (jobs, head) in _CREATED.items():
        place, kind = f"{name} created", name.removeprefix("Hanging").lower()
        given = {"place": place, "kind": kind, "jobs": jobs, "head": head}
        yield Case(phase="start", said="is still being read after 10 s", gap=NOT_YET, **given)
        yield Case(phase="reload", said="took longer than 20 s", **given)


def install(place: Path) -> None:
    """Make a distribution with the plugins that hang, for a `PYTHONPATH`."""
    info = place / "rae_hanging-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rae_hanging\nVersion: 1.0\n")
    groups = (
        f"[rae_auto.{kind}]\n" + "".join(f"{name} = rae_hanging\n" for name in names)
        for kind, names in ENTRY_POINTS.items()
    )
    (info / "entry_points.txt").write_text("".join(groups))
    source = Path(__file__).with_name("hanging_plugins.py").read_text()
    (place / "rae_hanging.py").write_text(source)


class Trial:
    """A case that is tried on a real daemon."""

    def __init__(self, case: Case, daemon: Daemons) -> None:
        self._case = case
        self._daemon = daemon
        self._home = daemon.home

    def run(self) -> Observed:
        """Try the case, and observe. The process is gone afterwards."""
        self._begin()
        answers = self._answers()
        others = answers and self._case.phase != "stop" and self._is_other_run()
        said = self._case.phase != "stop" and self._is_said()
        if self._case.phase == "stop":
            answers = others = True
        return Observed(answers, others, said, self._stop())

    def _begin(self) -> None:
        if self._case.phase == "start":
            self._hang()
            self._daemon.launch()
            eventually((self._home / "hangs").exists)
            # Binding its socket may take it a moment more.
            with contextlib.suppress(AssertionError):
                eventually(self._answers, 5)
            return
        self._daemon.serve()
        if self._case.phase != "stop" or self._case.place != "executor close":
            self._hang()
        if self._case.trigger is not None:
            self._daemon.ask("trigger", job=self._case.trigger, request=None)
        if self._case.kind == "keeper":
            keeper = int(eventually((self._home / "pids").exists) and (self._home / "pids").read_text().split()[0])
            os.kill(keeper, signal.SIGSTOP)
        elif self._case.kind != "disk" and self._case.phase != "reload" and "close" not in self._case.place:
            eventually((self._home / "hangs").exists)
        if self._case.phase == "reload":
            self._daemon.started[-1].send_signal(signal.SIGHUP)
        if self._case.place == "executor close":
            eventually(lambda: not self._daemon.ask("status")["running"])
            self._hang()

    def _hang(self) -> None:
        if self._case.kind == "disk":
            pipe = self._home / ("rae.toml" if self._case.place == "configuration" else "pipe")
            pipe.unlink(missing_ok=True)
            os.mkfifo(pipe, 0o600)
        (self._home / "hang").write_text(self._case.place)

    def _answers(self) -> bool:
        try:
            with Client(self._daemon.state, ANSWER_SECONDS) as client:
                client.call("ping")
        except SchedulerError:
            return False
        return True

    def _is_other_run(self) -> bool:
        try:
            with Client(self._daemon.state, ANSWER_SECONDS) as client:
                run = client.call("trigger", job="other", request=None)["run_id"]
        except SchedulerError:
            return False
        with contextlib.suppress(AssertionError):
            return bool(eventually((self._home / f"other.{run}").exists, 20))
        return False

    def _is_said(self) -> bool:
        pattern = self._case.said
        if pattern is None:
            return False
        with contextlib.suppress(AssertionError):
            return bool(eventually(lambda: re.search(pattern, self._read_status()), SAID_SECONDS))
        return False

    def _read_status(self) -> str:
        try:
            with Client(self._daemon.state, ANSWER_SECONDS) as client:
                return self._daemon.output() + str(client.call("status"))
        except SchedulerError:
            return self._daemon.output()

    def _stop(self) -> float | None:
        process, began = self._daemon.started[-1], time.monotonic()
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(AssertionError):
            eventually(lambda: process.poll() is not None, MAX_STOP_SECONDS + SLOW_MACHINE_SECONDS)
            return time.monotonic() - began
        return None


def run_case(case: Case, home: Path) -> Observed:
    """Try one case in a directory of its own."""
    other = '[jobs.other]\nshell = "touch {home}/other.$RAE_RUN_ID"\n'
    state = home / "state"
    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "RAE_TEST_HOME", "RAE_STATE_DIR")}
    install(home / "site")
    paths = [str(home / "site"), *filter(None, [before["PYTHONPATH"]])]
    os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "RAE_TEST_HOME": str(home), "RAE_STATE_DIR": str(state)}
    keys, tables_text = ("", case.head) if case.head.startswith("[") else (case.head, "")
    grace = f'shutdown_grace = "{GRACE_SECONDS}s"\n'
    if "loggers" not in keys:
        grace = f'loggers = ["console"]\n{grace}'
    if case.place == "calendar":
        (home / "pipe").write_text("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nEND:VCALENDAR\n")
    daemon = Daemons(home, tables_text + case.jobs + other, keys + grace)
    try:
        return Trial(case, daemon).run()
    finally:
        (home / "hang").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for pid in (home / "pids").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
        daemon.end()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run(cases: list[Case], place: Path, report: Callable[[str], None]) -> list[str]:
    """Try cases, report each as a line of a table, and return the violations."""
    violations = []
    report(f"{'phase':7} {'kind':14} {'place':34} answers others said  stop")
    for number, case in enumerate(cases):
        home = place / str(number)
        home.mkdir()
        try:
            seen = run_case(case, home)
        except Exception as error:
            violations.append(f"{case.name}: {error!r}")
            report(violations[-1])
            continue
        found = seen.violations(case)
        violations += found
        stop = "never" if seen.stop_seconds is None else f"{seen.stop_seconds:.1f} s"
        said = "-" if case.said is None else "yes" if seen.said else "no"
        answers, others = ("-", "-") if case.phase == "stop" else (_word(seen.answers), _word(seen.others))
        words = f"{answers:7} {others:6} {said:5} {stop:6}"
        remark = "; ".join(found) or (f"gap: {case.gap}" if case.gap and not (seen.answers and seen.others) else "")
        report(f"{case.phase:7} {case.kind:14} {case.place:34} {words} {remark}".rstrip())
    return violations


def _word(value: bool) -> str:
    return "yes" if value else "no"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="?", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    cases = [case for case in all_cases() if options.text in case.name]
    with tempfile.TemporaryDirectory() as name:
        violations = run(cases, Path(name), lambda line: print(line, flush=True))
    print(f"{len(cases)} cases, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
