"""Environment of the commands that the daemon starts: of its own variables they get few, and no secrets."""

from collections.abc import Mapping

INHERITED = (
    "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER",
    "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR",
    "APPDATA", "COMSPEC", "LOCALAPPDATA", "PATHEXT", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE",
)  # fmt: skip
"""Variables of the daemon's environment that commands get: no switches of loaders or interpreters, and no secrets."""

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def inherited_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return what a command gets of the environment of this process, with a PATH in any case."""
    return {"PATH": DEFAULT_PATH, **{name: own[name] for name in INHERITED if name in own}}
