"""Tutorials of a whole project: their commands are run by a shell, in a home and an environment of their own.

A page with the line `<!-- session -->` is played from its top to its end, in one folder:

- `<!-- file PATH -->` before a block writes the block to that file.
- Each line of a block of `console` that begins with `$ ` is run. The session ends where one fails.
- `<!-- shown -->` after such a block gets a block with what it prints. `<!-- shown once -->` does so
  too, but is never compared: what it shows is made for people and changes often.
- `<!-- in the background -->` before one leaves its command running until the end; what follows waits for the daemon.
- `<!-- not run -->` before one skips it. The page says why.

`python docs/session.py` writes the pages; with `--check` it only compares, leaving out numbers and widths.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from played import without_numbers
from printed import COLUMNS

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable

DOCS = Path(__file__).resolve().parent
MARK = "<!-- session -->\n"
SHOWN_HOME = "/home/ann"
MAX_WAIT_SECONDS = 60.0

_STEP = re.compile(
    r"(?P<before>^(?:<!-- (?P<mark>file (?P<file>\S+)|in the background|not run) -->\n)?"
    r"^```(?P<language>\w+)\n(?P<block>.*?)^```\n)"
    r"(?P<shown>\n<!-- (?P<how>shown(?: once)?) -->\n.*?<!-- end -->\n)?",
    re.MULTILINE | re.DOTALL,
)


class Session:
    """A shell's home with an environment on top of the present one, into which plugins can be installed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.background: list[subprocess.Popen[bytes]] = []
        environment = home / ".venv"
        venv.create(environment, with_pip=False, symlinks=True)
        (packages,) = environment.glob("lib/python*/site-packages")
        # The present packages with what is editable among them, behind the environment's own.
        present = [path for path in sys.path if path.endswith("-packages")]
        lines = [f"import site; site.addsitedir({path!r})" for path in present]
        (packages / "present.pth").write_text("\n".join(lines) + "\n")
        for name, module in (("rae-auto", "rae_auto"), ("pytest", "pytest"), ("pip", "pip")):
            program = environment / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{environment}/bin/python" -m {module} "$@"\n')
            program.chmod(0o755)
        self.variables = {
            name: value for name, value in os.environ.items() if name in ("LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR")
        } | {
            "HOME": str(home),
            "RAE_STATE_DIR": str(home / "state"),
            "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
            "COLUMNS": str(COLUMNS),
            "NO_COLOR": "1",
            "TZ": "UTC",
            # What is there is all that is needed: nothing is fetched, and builds use what is installed.
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # "0" turns isolation off: pip negates it
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
            "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:randomly",
        }

    def run(self, command: str) -> str:
        """Run a command and return what it prints; the session ends if it fails."""
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=self.home,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=MAX_WAIT_SECONDS * 2,
        )
        if ran.returncode:
            raise SystemExit(f"$ {command}\n{ran.stdout}exit code {ran.returncode}")
        lines = ran.stdout.replace(str(self.home), SHOWN_HOME).splitlines()
        return "\n".join(line.rstrip() for line in lines).strip("\n")

    def start(self, command: str) -> None:
        """Start a command that goes on, and wait until the daemon answers."""
        log = self.home / ".background.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.home,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.background.append(process)
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while not self._is_serving():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"$ {command}\n{log.read_text()}")
            time.sleep(0.1)

    def _is_serving(self) -> bool:
        try:
            with Client(self.home / "state") as client:
                return bool(client.call("status"))
        except DaemonUnreachable:
            return False

    def end(self) -> None:
        """End what goes on."""
        for process in self.background:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(MAX_WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def open_session() -> Iterator[Session]:
    """Provide a session in a new folder."""
    with tempfile.TemporaryDirectory(prefix="rae-") as folder:
        session = Session(Path(folder).resolve())
        try:
            yield session
        finally:
            session.end()


def play(text: str) -> str:
    """Return a page with what its commands print."""
    with open_session() as session:
        return _STEP.sub(lambda found: _play(found, session), text)


def _play(found: re.Match[str], session: Session) -> str:
    if found["file"]:
        path = session.home / found["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found["block"])
        path.chmod(0o600)
        return found[0]
    if found["language"] != "console" or found["mark"] == "not run":
        return found[0]
    commands = [line.removeprefix("$ ") for line in found["block"].splitlines() if line.startswith("$ ")]
    if found["mark"] == "in the background":
        for command in commands:
            session.start(command)
        return found[0]
    printed = "\n\n".join(filter(None, [session.run(command) for command in commands]))
    if not found["shown"]:
        return found[0]
    return f"{found['before']}\n<!-- {found['how']} -->\n```text\n{printed}\n```\n<!-- end -->\n"


def _comparable(text: str) -> str:
    """Return a page without what may differ each time."""
    text = re.sub(r"<!-- shown once -->\n.*?<!-- end -->\n", "", text, flags=re.DOTALL)
    # pytest says a time of more than a minute twice.
    return without_numbers(re.sub(r" \(\d+:\d\d:\d\d\)$", "", text, flags=re.MULTILINE))


def main(check_only: bool) -> int:
    """Write, or check, the pages with sessions; the exit code."""
    failed = 0
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text()
        if MARK not in text:
            continue
        if shutil.which("bash") is None:
            raise SystemExit(f"{page}: needs bash")
        now = play(text)
        if check_only:
            if _comparable(now) != _comparable(text):
                failed = 1
                print(f"{page.relative_to(DOCS.parent)} is out of date; what was played:\n{now}")
        elif now != text:
            page.write_text(now)
            print(f"{page.relative_to(DOCS.parent)} written")
    return failed


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
