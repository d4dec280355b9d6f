"""What commands of the pages print beside a running daemon: played for real, and written beside them.

`python docs/played.py` plays each page that has a block of commands with `<!-- played -->` below it, and writes what
they print; with `--check` it only compares, leaving out numbers, which differ each time. The nearest block of TOML
above the first command is the configuration. A command waits until no run is open, unless `<!-- played at once -->`
says that it must not. `<!-- killed -->` kills the daemon by signal 9 and starts the next one.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from printed import CONFIG, in_a_folder, print_one

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable

DOCS = Path(__file__).resolve().parent
MAX_WAIT_SECONDS = 60.0

_STEP = re.compile(
    r"(?P<before>^```console\n(?P<commands>(?:\$ [^\n]+\n)+)```\n\n)<!-- (?P<mark>played(?: at once)?) -->\n"
    r".*?<!-- end -->|^<!-- (?P<kill>killed) -->$",
    re.MULTILINE | re.DOTALL,
)


class PlayedDaemon:
    """The daemon of a session, in the present folder."""

    def __init__(self) -> None:
        self.state = Path(os.environ["RAE_STATE_DIR"])
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "rae_auto", "run", "--config", "rae.toml"]
        with Path("daemon.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait(lambda client: bool(client.call("status")))

    def wait(self, is_there) -> None:  # type: ignore[no-untyped-def]
        """Wait until the daemon says so."""
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                with Client(self.state) as client:
                    if is_there(client):
                        return
            except DaemonUnreachable:
                pass
            time.sleep(0.1)
        raise SystemExit(f"it took too long\n{Path('daemon.log').read_text()}")

    def wait_for_runs(self) -> None:
        """Wait until no run is open."""

        def is_idle(client: Client) -> bool:
            # Asked once: between two answers a run that waits for its next attempt would begin to run.
            status = client.call("status")
            return not status["running"] and not status["waiting"]

        self.wait(is_idle)

    def kill(self) -> None:
        """End the daemon by signal 9 while a command is running, and start the next one."""
        self.wait(lambda client: any(run["state"] == "running" for run in client.call("status")["running"]))
        time.sleep(0.5)
        self.process.kill()
        self.process.wait()
        self._start()

    def stop(self) -> None:
        """Stop the daemon."""
        self.process.terminate()
        self.process.wait(MAX_WAIT_SECONDS)


def played(text: str) -> str:
    """Return a page with what its commands print beside a daemon."""
    first = next(_STEP.finditer(text))
    config = CONFIG.findall(text[: first.start()])[-1]
    with in_a_folder({"rae.toml": config}):
        daemon = PlayedDaemon()
        try:
            return _STEP.sub(lambda found: _play(found, daemon), text)
        finally:
            daemon.stop()


def _play(found: re.Match[str], daemon: PlayedDaemon) -> str:
    if found["kill"]:
        daemon.kill()
        return found[0]
    printed = []
    for line in found["commands"].splitlines():
        if found["mark"] == "played":
            daemon.wait_for_runs()
        printed.append(print_one(shlex.split(line)[2:], is_aligned=True).rstrip())
    return f"{found['before']}<!-- {found['mark']} -->\n```text\n" + "\n\n".join(printed) + "\n```\n<!-- end -->"


def without_numbers(text: str) -> str:
    """Return a page without what differs each time: ids, numbers with their units, and the width of columns."""
    text = re.sub(r"\b[0-9A-Z]{10,26}\b", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d ", "", text)  # a day stands only where it isn't today
    text = text.replace("less than ", "")  # of 1 ms, on a fast machine
    text = re.sub(r"\d[\d.:]*(?: (?:ms|s|min|h|days?|MB|KB))?", "N", text)
    return re.sub(r" +", " ", text)


def main(check_only: bool) -> int:
    """Write, or check, the pages that are played; the exit code."""
    failed = 0
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text()
        if "<!-- played" not in text:
            continue
        now = played(text)
        if check_only:
            if without_numbers(now) != without_numbers(text):
                failed = 1
                print(f"{page.relative_to(DOCS.parent)} is out of date; what was played:\n{now}")
        elif now != text:
            page.write_text(now)
            print(f"{page.relative_to(DOCS.parent)} written")
    return failed


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
