"""The setting by which KDE's PowerDevil sends an unused machine on mains power to sleep.

Plasma 6 has it in `powerdevilrc`, and sleeps after 15 minutes where nothing is set, except in a virtual machine.
Plasma 5 has it in `powermanagementprofilesrc`, in milliseconds, and doesn't sleep where nothing is set. Source:
powerdevil, `PowerDevilSettingsDefaults.cpp` and `PowerDevilProfileSettings`.
"""

import configparser
from collections.abc import Mapping
from pathlib import Path

from rae_auto.offline.doctor.facts import Machine

_ACTIONS = {"1": "sleep", "2": "hibernate", "4": "hybrid sleep", "8": "shutdown"}
_SLEEP, _DEFAULT_SECONDS = "1", "900"
_PLASMA_6, _PLASMA_5 = "powerdevilrc", "powermanagementprofilesrc"
_SYSTEM_FOLDER = "/etc/xdg"


def read_kde_sleep(machine: Machine) -> tuple[str, str] | None:
    """Return what KDE does with an unused machine, as in `sleep after 900 s in …`, and the remedy; None if nothing."""
    new = _read_group(machine, _PLASMA_6, "AC", "SuspendAndShutdown")
    old = _read_group(machine, _PLASMA_5, "AC", "SuspendSession")
    if old and not new:
        action, milliseconds = old.get("suspendtype", "0"), old.get("idletime", "0")
        setting = _describe(action, _parse_number(milliseconds) // 1000, f"in {_PLASMA_5} of KDE")
        command = f"kwriteconfig5 --file {_PLASMA_5} --group AC --group SuspendSession --key suspendType 0"
    else:
        is_default = "autosuspendaction" not in new
        if is_default and not _sleeps_by_default(machine):
            return None
        seconds = _parse_number(new.get("autosuspendidletimeoutsec", _DEFAULT_SECONDS))
        where = "by default in KDE" if is_default else f"in {_PLASMA_6} of KDE"
        setting = _describe(new.get("autosuspendaction", _SLEEP), seconds, where)
        command = f"kwriteconfig6 --file {_PLASMA_6} --group AC --group SuspendAndShutdown --key AutoSuspendAction 0"
    return (
        None if not setting else (setting, f"run '{command}' and log in again, or turn it off in the system settings")
    )


def _describe(action: str, seconds: int, where: str) -> str:
    """Return a setting in words; empty if it sends no machine to sleep."""
    return f"{_ACTIONS[action]} after {seconds} s {where}" if action in _ACTIONS and seconds else ""


def _parse_number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _read_group(machine: Machine, file: str, *group: str) -> Mapping[str, str]:
    """Return a group of a configuration file of KDE, its keys in lower case: the user's, else the system's."""
    found: dict[str, str] = {}
    for text in (machine.read(f"{_SYSTEM_FOLDER}/{file}"), _read_own(machine, file)):
        parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
        try:
            parser.read_string(text or "")
            found.update({key: value or "" for key, value in parser["][".join(group)].items()})
        except (configparser.Error, KeyError):
            continue
    return found


def _read_own(machine: Machine, file: str) -> str | None:
    folder = machine.environment.get("XDG_CONFIG_HOME") or f"{machine.environment.get('HOME', '')}/.config"
    try:
        return (Path(folder) / file).read_text(errors="replace")
    except OSError:
        return None


def _sleeps_by_default(machine: Machine) -> bool:
    """Return whether this is a session of Plasma 6 on a machine that is not a virtual one."""
    is_kde = "KDE" in machine.environment.get("XDG_CURRENT_DESKTOP", "").split(":")
    is_6 = machine.environment.get("KDE_SESSION_VERSION", "6") == "6"
    return is_kde and is_6 and not machine.run("systemd-detect-virt", "--vm")
