"""The fuzzer: `python -m tests.fuzz 1000-3000` plays these seeds, `python -m tests.fuzz 7` logs each step of one."""

import sys

from tests.fuzz.fuzz_run import FuzzRun, failures

USAGE = "usage: python -m tests.fuzz SEED | FIRST-LAST"


def main(arguments: list[str]) -> int:
    """Play seeds, and return the exit code: 0 if no invariant was violated, 1 if one was, 2 for bad usage."""
    if len(arguments) != 1 or not arguments[0].replace("-", "", 1).isdigit():
        sys.stderr.write(USAGE + "\n")
        return 2
    first, dash, last = arguments[0].partition("-")
    if dash:
        violations = failures(range(int(first), int(last) + 1))
    else:
        failure = FuzzRun(int(first), log=_write).play()
        violations = [] if failure is None else [failure]
    for violation in violations:
        _write(str(violation))
    _write("1 seed failed" if len(violations) == 1 else f"{len(violations)} seeds failed")
    return 1 if violations else 0


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
