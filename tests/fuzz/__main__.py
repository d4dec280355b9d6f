"""`python -m tests.fuzz SEED` plays a trial and tells of each step; FIRST-LAST tells what breaks in many."""

import sys

from tests.fuzz.fuzz_run import FuzzRun, failures


def main(words: list[str]) -> int:
    """Play; 1 if a promise was broken."""
    if len(words) != 1 or not words[0].replace("-", "", 1).isdigit():
        sys.stderr.write("usage: python -m tests.fuzz SEED | FIRST-LAST\n")
        return 2
    first, dash, last = words[0].partition("-")
    if dash:
        broken = failures(range(int(first), int(last) + 1))
    else:
        failure = FuzzRun(int(first), tell=_tell).play()
        broken = [] if failure is None else [failure]
    for failure in broken:
        _tell(str(failure))
    _tell(f"{len(broken)} broken")
    return 1 if broken else 0


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
