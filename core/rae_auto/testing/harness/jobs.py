"""Jobs for tests of executors: the same few things to do, in each kind of job that an executor takes."""

import shlex
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rae_auto.api import JOB_KINDS, Executor

CODE: Mapping[str, str] = {
    "succeed": "print('done')",
    "fail": "raise SystemExit(3)",
    "print": "print('hello')",
    "flood": "print('x' * 1_000_000)",
    "directory": "import os; print(os.getcwd())",
    "variables": "import os; print(os.environ.get('GREETING'), os.environ.get('OF_THE_DAEMON'))",
    "secret": "import sys; print('a hunter2-hunter2 b', flush=True); print('hunter2-hunter2', file=sys.stderr)",
    "standard error": "import sys; print('first line', file=sys.stderr)",
    "standard input": "import sys; print('got', sys.stdin.read())",
    "endless": "import time\nfor _ in range(6000): time.sleep(0.01)",
    "stubborn": (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    ),
    "tree": (
        "import subprocess, sys, time; sleep = [sys.executable, '-c', 'import time; time.sleep(60)']; "
        "child = subprocess.Popen(sleep); print(child.pid, flush=True); time.sleep(60)"
    ),
    "left over": (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], "
        "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(child.pid)"
    ),
    "slow": "import os, time; print(os.getpid(), flush=True); time.sleep(2); raise SystemExit(3)",
    "memory": "x = bytearray(400_000_000); print(len(x))",
    "cpu": "while True: pass",
    "nice": "import os; print(os.nice(0))",
    "open files": "files = [open('/dev/null') for _ in range(100)]",
    "file size": "open('big', 'wb').write(bytes(1_000_000))",
}
"""Python code of the jobs that the suite runs, by name."""


def supported_kinds(executor: Executor | type[Executor]) -> tuple[str, ...]:
    """Return the kinds of jobs that an executor takes, the commonest first."""
    return tuple(kind for kind in JOB_KINDS if kind in executor.takes)


def describe_code_job(kind: str, code: str, directory: Path) -> dict[str, Any]:
    """Return the keys of a job that does what the code does; writes the file that it needs into the folder."""
    name = f"job_{uuid.uuid4().hex}"
    match kind:
        case "command":
            return {"command": [sys.executable, "-c", code]}
        case "shell":
            return {"shell": shlex.join([sys.executable, "-c", code])}
        case "script":
            (directory / f"{name}.py").write_text(code, encoding="utf-8")
            return {"script": str(directory / f"{name}.py")}
        case _:
            lines = "\n".join(f"    {line}" for line in code.splitlines())
            (directory / f"{name}.py").write_text(f"def main():\n{lines}\n", encoding="utf-8")
            return {"python": f"{name}:main"}
