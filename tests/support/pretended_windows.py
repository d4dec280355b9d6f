"""A Python that looks like the one of Windows, as far as that can be: `python -m tests.support.pretended_windows FILE`.

What only POSIX has is gone: modules, functions of `os`, signals and Unix sockets; `sys.platform` is "win32" and
`os.name` is "nt". The standard library and other distributions are imported before, because they would look for what
only Windows has; those that look at each use are given an `os` of their own that is as it was. The edges of our own
adapters get stand-ins for the calls of Windows. Instead of FILE, `rae-auto ARGUMENTS` runs the program.
"""

import contextlib
import functools
import importlib
import importlib.abc
import importlib.metadata
import os
import runpy
import signal
import socket
import sys
import types
from pathlib import Path

BLOCKED_MODULES = ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "readline", "_posixsubprocess")

BLOCKED_FUNCTIONS = (
    "chown", "fchmod", "fchown", "fork", "forkpty", "geteuid", "getegid", "getgid", "getgroups", "getpgid", "getsid",
    "getuid", "initgroups", "killpg", "lchown", "mkfifo", "posix_spawn", "pread", "pwrite", "nice", "sched_getaffinity",
    "seteuid", "setegid", "setgid", "setgroups", "setpgid", "setsid", "setuid", "statvfs", "uname", "wait4", "waitid",
    "WNOHANG", "O_CLOEXEC", "O_DIRECTORY", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK",
)  # fmt: skip
KEPT_FOR_ASYNCIO = ("SIGCHLD",)
KEPT_SIGNALS = ("SIGABRT", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM")
BLOCKED_TIMERS = ("setitimer", "getitimer", "ITIMER_REAL", "pthread_sigmask", "sigwait", "alarm", "pause")

PRELOADED = (
    "asyncio", "attrs", "cattrs", "cattrs.preconf.json", "click", "concurrent.futures", "croniter", "dateutil.rrule",
    "email.message", "getpass", "http.client", "http.server", "json", "logging.handlers",
    "loguru", "multiprocessing", "pathlib", "platform", "pluggy", "psutil", "queue", "selectors", "shutil", "smtplib",
    "sqlite3", "ssl", "subprocess", "tempfile", "threading", "tomllib", "tomli_w", "urllib.request", "uuid",
    "watchdog.events", "watchdog.observers", "webbrowser", "zoneinfo", "h11", "rich.console", "rich.live", "rich.table",
    "textual.app",
    "ctypes.util", "dbus_fast.aio", "pytest", "prometheus_client", "starlette.applications", "uvicorn", "anyio",
    "mcp", "mcp.server", "mcp.client.stdio", "anyio.to_thread",
)  # fmt: skip


class Blocker(importlib.abc.MetaPathFinder):
    """Refuses modules that Windows hasn't."""

    def find_spec(self, name, path, target=None):
        if name in BLOCKED_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class TrueOs:
    """The module `os` as it was."""

    def __init__(self):
        self.__dict__.update(vars(os))


def preload() -> None:
    for name in PRELOADED:
        with contextlib.suppress(ImportError):  # of what is optional
            importlib.import_module(name)


def pretend() -> None:
    for name in BLOCKED_MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Blocker())
    true_os = TrueOs()
    for name in BLOCKED_FUNCTIONS:
        if hasattr(os, name):
            delattr(os, name)
    for name in dir(signal):
        is_kept = name in (*KEPT_SIGNALS, *KEPT_FOR_ASYNCIO)
        if isinstance(getattr(signal, name), signal.Signals) and not is_kept:
            delattr(signal, name)
    for name in BLOCKED_TIMERS:
        if hasattr(signal, name):
            delattr(signal, name)
    # That of Windows is a pair of ports, of which asyncio knows nothing here.
    socket.socketpair = functools.partial(socket.socketpair, socket.AF_UNIX)
    for name in ("AF_UNIX", "SO_PEERCRED"):
        if hasattr(socket, name):
            delattr(socket, name)
    for name in ("pathlib", "pathlib._local", "pathlib._os", "shutil", "glob", "subprocess", "selectors", "getpass"):
        if name in sys.modules and hasattr(sys.modules[name], "os"):
            sys.modules[name].os = true_os
    sys.modules["tempfile"]._os = true_os
    # `shutil.which` asks Windows since Python 3.12.
    sys.modules["shutil"]._winapi = types.SimpleNamespace(NeedCurrentDirectoryForExePath=lambda _: False)
    sys.platform, os.name = "win32", "nt"


def put_stand_ins() -> None:
    """Give the adapters what they call on Windows."""
    import fcntl

    runtime = types.ModuleType("msvcrt")
    runtime.LK_NBLCK = 2
    runtime.locking = lambda descriptor, *_: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    sys.modules["msvcrt"] = runtime
    from tests.support.windows_stand_ins import FakeConsole, FakeMove, FakeSecurity

    from rae_auto.platforms.windows import files as windows_files
    from rae_auto.platforms.windows import rights as windows_rights
    from rae_auto.platforms.windows import signals as windows_signals

    windows_rights.AdvapiSecurity = FakeSecurity
    windows_signals.KernelConsole = FakeConsole
    windows_files.WindowsFiles.__init__.__defaults__ = (FakeMove(),)


def main() -> None:
    preload()
    put_stand_ins()
    pretend()
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd()))
    if sys.argv[0] == "rae-auto":
        from rae_auto.cli.entry import main as program

        raise SystemExit(program())
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
