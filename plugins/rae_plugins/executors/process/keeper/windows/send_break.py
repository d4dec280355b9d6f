"""Send Ctrl-Break to the process group of a pid: `python -I -S send_break.py PID`.

Ctrl-Break reaches only processes that are attached to the same console, and a process has one at most. A daemon that
has adopted a job is not attached to the job's console and may not detach from its own. So this short-lived process,
which has none, attaches itself to the job's.
"""

import ctypes
import sys

CTRL_BREAK_EVENT = 1


def main() -> int:
    """Return 0 if it was sent."""
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined, unused-ignore]
    pid = int(sys.argv[1])
    kernel32.FreeConsole()
    return 0 if kernel32.AttachConsole(pid) and kernel32.GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, pid) else 1


if __name__ == "__main__":
    sys.exit(main())
