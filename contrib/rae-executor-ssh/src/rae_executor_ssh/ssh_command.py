"""The system's `ssh`: how it is called, what starts the agent at the other end, and what its errors mean.

The command on the host has to pass through a login shell that may be any, so it is one word in single quotes with
nothing in it that a shell obeys. It has Python read one line from standard input, the *loader*, and run it. The loader
compares versions, asks for the bundle where the host doesn't have it, and hands over to the agent. A host that has it
gets it never again.

    daemon ─► host: loader, one line
    host ─► daemon: {"need": NAME}            only where the file is missing
    daemon ─► host: the file, as many bytes as the loader names
    host ─► daemon: {"hello": …}              the agent's first report

What the host's start-up files print before that is skipped.
"""

import json
import os
from collections.abc import Sequence

from rae_plugins.executors.remote.bundle import Bundle

MIN_PYTHON = (3, 9)

ALIVE_SECONDS, MAX_UNANSWERED = 5, 2
"""Interval at which ssh asks the host's sshd, and number of questions without an answer after which it ends."""

REMOTE_PACKAGE = "rae_executor_ssh.remote"
"""The package that runs on the host."""

DEFAULT_DIRECTORY = "~/.local/state/rae-auto-ssh"

_LOADER = """
import os, sys, json, hashlib
def say(fact):
    os.write(1, json.dumps(fact).encode() + b"\\n")
if sys.version_info < MIN_PYTHON:
    say({"old_python": "%d.%d" % sys.version_info[:2]})
    sys.exit(0)
base = os.path.expanduser(BASE)
os.umask(0o077)
try:
    os.makedirs(base, exist_ok=True)
    path = os.path.join(base, NAME)
    if os.path.exists(path):
        os.utime(path)
    else:
        room = os.statvfs(base)
        say({"need": NAME, "free": room.f_bavail * room.f_frsize})
        content = b""
        while len(content) < SIZE:
            more = os.read(0, SIZE - len(content))
            if not more:
                sys.exit(0)
            content += more
        if hashlib.sha256(content).hexdigest() != DIGEST:
            say({"problem": "the agent arrived damaged"})
            sys.exit(0)
        import io, zipfile
        fresh = path + ".%d" % os.getpid()
        zipfile.ZipFile(io.BytesIO(content)).extractall(fresh)
        os.sync()
        try:
            os.rename(fresh, path)
        except OSError:
            if not os.path.exists(path):
                raise
except OSError as error:
    say({"problem": "%s: %s" % (error.filename or base, error.strerror)})
    sys.exit(0)
sys.path.insert(0, path)
from rae_executor_ssh.remote.agent import main
main(base)
"""


def build_loader(bundle: Bundle, directory: str) -> bytes:
    """Return the line that makes the host's Python run the agent, with its files below `directory`."""
    names = {
        "MIN_PYTHON": MIN_PYTHON,
        "BASE": directory,
        "NAME": bundle.name,
        "SIZE": len(bundle.content),
        "DIGEST": bundle.digest,
    }
    head = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    return ascii(head + _LOADER).encode() + b"\n"


def build_command(host: str, config: str | None, python: str) -> Sequence[str]:
    """Return the argv that connects to a host without ever asking a person anything."""
    read_loader = f"exec {python} -I -S -c 'exec(eval(open(0,\"rb\",0,None,None,None,False).readline()))'"
    # ssh itself takes "~" for the name of a folder here.
    chosen = [] if config is None else ["-F", os.path.expanduser(config)]  # noqa: PTH111 - never raises
    # Else it may become the connection that all sessions of the user on that host share, and end them with its own.
    alone = ("-oControlMaster=no", "-oControlPath=none")
    # The host's sshd answers that also while its disk, and with it the agent, is slow.
    watched = (f"-oServerAliveInterval={ALIVE_SECONDS}", f"-oServerAliveCountMax={MAX_UNANSWERED}")
    options = ("-oBatchMode=yes", "-oClearAllForwardings=yes", *alone, *watched)
    return ("ssh", "-T", *chosen, *options, "--", host, read_loader)


def parse_report(line: bytes) -> dict[str, object] | None:
    """Return what a line of the host says; None for one that its start-up files print."""
    try:
        report = json.loads(line)
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


def explain_failure(host: str, python: str, code: int | None, errors: str) -> str:
    """Return one line on why there is no connection, with the remedy, from the exit code of ssh and what it printed."""
    text = errors.strip()
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    if "Host key verification failed" in text or "REMOTE HOST IDENTIFICATION" in text:
        return f"{host}: its host key is unknown or has changed; compare it, and connect once with 'ssh {host}'"
    if "Permission denied" in text:
        return f"{host}: the login is refused; make 'ssh -o BatchMode=yes {host} true' work without a password"
    if code == 127 or "not found" in last:
        return f"{host}: '{python}' is not found; install Python 3.9 or later there, or set python"
    if code is not None and code > 0 and code != 255:
        return f"{host}: '{python}' ended with exit code {code}{f' ({last})' if last else ''}; try it there by hand"
    return f"{host}: {last or 'the connection has ended'}; try 'ssh {host}'"
