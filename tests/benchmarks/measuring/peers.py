"""The schedulers that are measured beside rae-auto: `pip install 'apscheduler<4' sqlalchemy cronstable`.

Each is a daemon of its own process with so many cron jobs, none of which is due soon, in a directory of its own. One
that isn't installed is left out, with a line that says why.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from measuring.daemons import rae_daemon
from measuring.processes import running

APSCHEDULER_SCRIPT = """
import sys, time
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
scheduler = BackgroundScheduler(timezone="UTC")
scheduler.start(paused=True)
for n in range(int(sys.argv[1])):
    trigger = CronTrigger.from_crontab(f"{n % 60} {n % 24} 1 1 *", timezone="UTC")
    scheduler.add_job("builtins:int", trigger, id=str(n))
scheduler.resume()
print("ready", flush=True)
time.sleep(3600)
"""

CRONSTABLE_READY = re.compile(r"Job set id: .*\((\d+) jobs?\)")
"""The line that cronstable logs at level INFO once it has loaded its jobs."""

_REQUIREMENTS = {"APScheduler": ("apscheduler<4",), "cronstable": ("cronstable",)}


def new_year_schedule(number: int) -> str:
    """Return the schedule of a job by its number: many different ones, none due before New Year."""
    return f"{number % 60} {number % 24} 1 1 *"


def scheduler_names() -> list[str]:
    """Return ourselves and the peers that are installed; print a line about each of the others."""
    return ["rae-auto", *(name for name, needed in _REQUIREMENTS.items() if is_installed(name, *needed))]


def is_installed(name: str, *requirements: str) -> bool:
    """Return whether a peer can be measured; if not, print the reason and how to install it."""
    for requirement in requirements:
        package, _, below = requirement.partition("<")
        try:
            found = version(package)
        except PackageNotFoundError:
            reason = f"{package} isn't installed"
        else:
            if not below or int(found.partition(".")[0]) < int(below):
                continue
            reason = f"{package} is of version {found}, and the benchmark needs one below {below}"
        quoted = " ".join(f'"{each}"' if "<" in each else each for each in requirements)
        print(f"{name} is left out: {reason}; install it with 'pip install {quoted}'", flush=True)
        return False
    return True


@contextmanager
def scheduler_daemon(
    name: str,
    place: Path,
    size: int,
    command: str = "true",
    schedule: Callable[[int], str] = new_year_schedule,
) -> Iterator[int]:
    """Run a scheduler with so many jobs, each a shell command by a schedule of its number.

    Yields its pid once it is ready. The jobs of APScheduler are no-op functions, always due at New Year.
    Raises `NotReady`.
    """
    jobs = [(f"j{number}", command, schedule(number)) for number in range(size)]
    with _DAEMONS[name](place, jobs) as pid:
        yield pid


@contextmanager
def _rae_auto(place: Path, jobs: Sequence[tuple[str, str, str]]) -> Iterator[int]:
    tables = [f'[jobs.{name}]\nshell = "{command}"\nschedule = "{schedule}"\n' for name, command, schedule in jobs]
    with rae_daemon(place, f"max_parallel = {max(len(jobs), 1)}\n", *tables) as pid:
        yield pid


@contextmanager
def _apscheduler(place: Path, jobs: Sequence[tuple[str, str, str]]) -> Iterator[int]:
    command = [sys.executable, "-c", APSCHEDULER_SCRIPT, str(len(jobs))]
    with running("APScheduler", command, place, lambda said: said.startswith("ready")) as pid:
        yield pid


@contextmanager
def _cronstable(place: Path, jobs: Sequence[tuple[str, str, str]]) -> Iterator[int]:
    config = place / "crontab.yaml"
    tables = [
        f'  - name: {name}\n    command: "{command}"\n    schedule: "{schedule}"\n' for name, command, schedule in jobs
    ]
    config.write_text("jobs:\n" + "".join(tables) if jobs else "jobs: []\n")
    command = [sys.executable, "-m", "cronstable", "-l", "INFO", "-c", str(config)]
    with running("cronstable", command, place, lambda said: CRONSTABLE_READY.search(said) is not None) as pid:
        yield pid


_DAEMONS = {"rae-auto": _rae_auto, "APScheduler": _apscheduler, "cronstable": _cronstable}
