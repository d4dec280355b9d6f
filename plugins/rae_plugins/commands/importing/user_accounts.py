"""The user that a job of a source runs as: kept where the daemon may do so, otherwise a remark."""

from typing import Any

from rae_auto.toolkit.environment import is_root


def add_user(user: str, table: dict[str, Any], remarks: list[str]) -> None:
    """Set the user of a job where this process is root and knows him; add a remark otherwise."""
    if user in ("root", "0") and is_root():
        return
    if is_root() and is_known(user):
        table["user"] = user
    else:
        remarks.append(f'runs as {user!r} there; set user = "{user}" once a daemon of root runs it')


def is_known(user: str) -> bool:
    """Return whether this machine has an account of that name."""
    try:
        import pwd  # lazy: start-up; not on Windows

        pwd.getpwnam(user)
    except (ImportError, KeyError):
        return False
    return True
