"""The environment of jobs on Windows, where names are the same in capitals and small letters."""

from collections.abc import Mapping

SYSTEM_NAMES = (
    "ALLUSERSPROFILE", "COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)", "COMMONPROGRAMW6432", "COMPUTERNAME", "COMSPEC",
    "HOMEDRIVE", "HOMEPATH", "NUMBER_OF_PROCESSORS", "OS", "PATHEXT", "PROCESSOR_ARCHITECTURE", "PROGRAMDATA",
    "PROGRAMFILES", "PROGRAMFILES(X86)", "PROGRAMW6432", "PUBLIC", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP",
    "USERDOMAIN", "USERNAME", "USERPROFILE", "WINDIR",
)  # fmt: skip
"""Variables that describe the machine and the user: without SYSTEMROOT, for one, no program can open a socket."""


def complete_environment(environment: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a job, completed by what every program on Windows expects of its parent's, `own`.

    Of two names that differ in capitals only, the later one counts, under the first one's spelling.
    """
    here = {name.upper(): value for name, value in own.items()}
    spelling: dict[str, str] = {}
    values: dict[str, str] = {}
    for name, value in environment.items():
        key = spelling.setdefault(name.upper(), name)
        values[key] = value
    for name in SYSTEM_NAMES:
        if name not in spelling and name in here:
            values[name] = here[name]
    return values


def keeper_environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return what the keeper needs of the daemon's environment to run at all: no paths, no secrets."""
    needed = ("COMSPEC", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "WINDIR")
    return {name.upper(): value for name, value in own.items() if name.upper() in needed}
