"""Environment of the commands that the daemon starts: of its own variables they get few, and no secrets."""

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from rae_auto import paths
from rae_auto.platforms import user_ids

INHERITED = (
    "HOME", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER",
    "LANG", "LANGUAGE", "LC_ADDRESS", "LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_IDENTIFICATION", "LC_MEASUREMENT",
    "LC_MESSAGES", "LC_MONETARY", "LC_NAME", "LC_NUMERIC", "LC_PAPER", "LC_TELEPHONE", "LC_TIME",
    "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "SSH_AUTH_SOCK", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR",
    "ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "all_proxy", "ftp_proxy", "http_proxy", "https_proxy", "no_proxy",
    "RAE_CONFIG", "RAE_STATE_DIR",
    "APPDATA", "COMSPEC", "LOCALAPPDATA", "PATHEXT", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE",
)  # fmt: skip
"""Variables of the daemon's environment that commands get: no switches of loaders or interpreters, and no secrets.

docs/reference/plugins/executors/process.md lists them.
"""

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def inherited_environment(own: Mapping[str, str], more: Collection[str] = ()) -> dict[str, str]:
    """Return what a command gets of the environment of this process, with a PATH in any case.

    `more` are names of further variables, and patterns such as "AWS_*".
    """
    passed = {
        name: value for name, value in (own.items() if more else ()) if any(fnmatchcase(name, one) for one in more)
    }
    return {"PATH": DEFAULT_PATH, **{name: own[name] for name in INHERITED if name in own}, **passed}


def home_or_root() -> Path:
    """Return the home directory of this process, or the root of the file system for a user that has none."""
    return paths.home_or_root()


def is_root() -> bool:
    """Return whether the effective user is root; False where there is none."""
    return user_ids.is_root()
