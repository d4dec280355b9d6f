"""A stand-in for `ssh`: runs the host's Python here, and cuts the line after so many lines and bytes of one direction.

`python cutter.py PLANS PYTHON`: PLANS is a file of lines "DIRECTION LINES BYTES", one for each connection to come;
a negative number of bytes counts back from the end of the next line. Without a plan the line holds.
"""

import fcntl
import os
import select
import signal
import subprocess
import sys

READER = 'exec(eval(open(0,"rb",0,None,None,None,False).readline()))'


def take_plan(path: str) -> "tuple[str, int, int] | None":
    """Return the plan of this connection, and leave the others."""
    with open(path, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        first, *others = file.read().splitlines() or [""]
        file.seek(0)
        file.truncate()
        file.write("".join(f"{line}\n" for line in others))
    direction, lines, count = first.split() if first else ("", "0", "0")
    return (direction, int(lines), int(count)) if direction else None


def find_cut(data: bytes, lines: int, count: int) -> "int | None":
    """Return how much of all data of a direction passes; None while that is not known yet."""
    start = 0
    for _ in range(lines):
        end = data.find(b"\n", start)
        if end < 0:
            return None
        start = end + 1
    if count >= 0:
        return start + count if len(data) >= start + count else None
    end = data.find(b"\n", start)
    return None if end < 0 else max(end + 1 + count, start)


def main(plans: str, python: str) -> None:
    """Pass bytes on until the other side ends, or the line is to be cut."""
    plan = take_plan(plans)
    host = subprocess.Popen([python, "-I", "-S", "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert host.stdin is not None and host.stdout is not None
    ends = {0: ("out", host.stdin.fileno()), host.stdout.fileno(): ("in", 1)}
    seen = {"out": b"", "in": b""}
    while True:
        for source in select.select(list(ends), [], [])[0]:
            direction, target = ends[source]
            data = os.read(source, 1 << 16)
            if not data:
                os._exit(0)
            passed = len(seen[direction])
            if plan and plan[0] == direction:
                seen[direction] += data
                cut = find_cut(seen[direction], *plan[1:])
                if cut is not None:
                    os.write(target, seen[direction][passed : max(cut, passed)])
                    with open(f"{plans}.cut", "a") as file:
                        file.write(f"{plan}\n")
                    # As a killed ssh: nothing more arrives, in either direction.
                    os.kill(os.getpid(), signal.SIGKILL)
            while data:
                data = data[os.write(target, data) :]


if __name__ == "__main__":
    main(*sys.argv[1:])
