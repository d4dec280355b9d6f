"""Everything that must hold before a change goes in. CI and pre-commit run this file too.

`python tests/run_all.py` runs all checks, `python tests/run_all.py lint types` only these.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SAMPLE = (
    "tests/core/api", "tests/core/config", "tests/core/control", "tests/core/model", "tests/core/toolkit",
    "tests/plugins/triggers/usage", "tests/platforms",
)  # fmt: skip
"""Tests that depend on Python most: on its library, its ways to start processes, clocks and sockets."""

WORKERS = "-n", "6", "--dist", "worksteal"
"""Most tests wait for processes and clocks: four workers leave two processors idle for a tenth of the time or more."""

ROOT = Path(__file__).resolve().parent.parent
TOOLS = Path(sys.executable).parent

CHECKS: dict[str, tuple[str, ...]] = {
    "lint": ("ruff", "check"),
    "format": ("ruff", "format", "--check"),
    "types": ("mypy",),
    "layers": ("lint-imports",),
    "names": ("pytest", "-q", "tests/architecture/test_names.py"),
    "messages": ("pytest", "-q", "tests/architecture/test_messages.py"),
    "prose": ("pytest", "-q", "tests/architecture/test_prose.py"),
    "tests": (
        "python", "-m", "tests.probes", "90",  # least coverage in percent
        "-rs", *WORKERS,
    ),
    "sample": ("pytest", "-q", "-rs", *WORKERS, *SAMPLE),
    "rest": (
        "pytest", "-q", "-rs", *WORKERS, "tests", *(f"--ignore={path}" for path in SAMPLE),
    ),
}  # fmt: skip

IN_TESTS = ("names", "messages", "prose", "sample", "rest")
"""Checks that "tests" contains; they can be run alone."""


def command(name: str) -> list[str]:
    """Return the command line of a check."""
    tool, *arguments = CHECKS[name]
    return [str(TOOLS / tool), *arguments]


def title(name: str) -> str:
    """Return a check's name and command, as one types them."""
    return f"{name}: {' '.join(CHECKS[name])}"


def run_and_print(name: str) -> int:
    """Run a check beside others, print its output when it has ended, and return its exit code."""
    done = subprocess.run(
        command(name), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print(f"--- {title(name)}\n{done.stdout}", end="", flush=True)
    return done.returncode


def main(wanted: list[str]) -> int:
    """Run the wanted checks, all of them by default; the exit code is that of the first that failed, or 0."""
    if unknown := [name for name in wanted if name not in CHECKS]:
        print(f"no check called {unknown[0]!r}; there are: {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    names = wanted or [name for name in CHECKS if name not in IN_TESTS]
    with ThreadPoolExecutor() as pool:
        # The last takes longest and prints as it goes; at its start and its end it leaves a processor to the others.
        others = {name: pool.submit(run_and_print, name) for name in names[:-1]}
        try:
            print(f"--- {title(names[-1])}", flush=True)
            codes = {names[-1]: subprocess.call(command(names[-1]), cwd=ROOT, stdin=subprocess.DEVNULL)}
        except KeyboardInterrupt:
            print(f"--- interrupted: {names[-1]}", file=sys.stderr)
            return 130
        codes |= {name: done.result() for name, done in others.items()}
    failed = {name: codes[name] for name in names if codes[name]}
    print(f"--- failed: {', '.join(failed)}" if failed else "--- all checks passed")
    return next(iter(failed.values()), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
