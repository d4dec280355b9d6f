"""A user id without an entry in the user database, and without HOME, as in many containers."""

import pytest


def forget_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process run as such a user."""
    pwd = pytest.importorskip("pwd", reason="needs the user database of POSIX")

    def find_no_entry(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", find_no_entry)
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
