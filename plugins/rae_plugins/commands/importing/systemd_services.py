"""A service of systemd as the keys of a job: what it runs, as whom, within which limits and conditions."""

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rae_auto.model.primitives.units import format_duration
from rae_plugins.commands.importing.unit_files import SystemdUnit, parse_bytes, parse_span
from rae_plugins.commands.importing.user_accounts import add_user

_NEUTRAL = {
    "Service": ("Type", "RemainAfterExit", "KillMode", "SyslogIdentifier", "StandardOutput", "StandardError"),
    "Unit": ("Documentation", "DefaultDependencies", "RefuseManualStart", "RefuseManualStop"),
}
"""Keys that say how systemd itself handles a service: output is kept, and all processes of a run are ended."""

_ISOLATION = re.compile(
    r"(Protect|Private|Restrict|Lock|SystemCall|MemoryDeny|NoNewPriv|Capabilit|AmbientCap|ReadWrite|ReadOnly|"
    r"Inaccessible|DevicePolicy|DeviceAllow|Delegate|DynamicUser|RootDirectory|BindPaths|BindReadOnly|"
    r"StateDirectory|CacheDirectory|LogsDirectory|RuntimeDirectory|ConfigurationDirectory|SecureBits|RemoveIPC|"
    r"IPAddress|ProcSubset|Slice|Keyring)"
)


def read_service(service: SystemdUnit, remarks: list[str]) -> dict[str, Any] | None:
    """Return the keys of a job; None if the service runs nothing. `remarks` gets what has no equivalent."""
    table: dict[str, Any] = {}
    if not _add_command(service, table, remarks):
        return None
    _add_environment(service, table, remarks)
    _add_limits(service, table, remarks)
    _add_conditions(service, table, remarks)
    for section in ("Service", "Unit"):
        for key in _NEUTRAL[section]:
            service.take(section, key)
        rest = service.rest(section)
        isolation = sorted({line.partition("=")[0] for line in rest if _ISOLATION.match(line)})
        if isolation:
            remarks.append(f"of {service.name} nothing isolates the job here: {', '.join(isolation)}")
        if others := [line for line in rest if not _ISOLATION.match(line)]:
            remarks.append(f"of {service.name} has no equivalent: {'; '.join(others)}")
    return table


def _add_command(service: SystemdUnit, table: dict[str, Any], remarks: list[str]) -> bool:
    commands = [
        _read_line(line, service.name, remarks)
        for key in ("ExecStartPre", "ExecStart", "ExecStartPost")
        for line in service.take("Service", key)
    ]
    if not commands:
        return False
    if len(commands) == 1 and not commands[0][1] and (words := _split(commands[0][0])) is not None:
        table["command"] = words
    else:
        table["shell"] = " && ".join(_to_shell(command, is_ignored=is_ignored) for command, is_ignored in commands)
    return True


def _split(command: str) -> list[str] | None:
    """Return the words of a command, or None where systemd would put variables into it."""
    try:
        return None if "$" in command else shlex.split(command) or None
    except ValueError:
        return None


def _to_shell(command: str, *, is_ignored: bool) -> str:
    """Return a command for a shell, which takes only variables for what they are, as systemd does."""
    words = _split(command)
    plain = command if words is None else shlex.join(words)
    return f"{{ {plain} || true; }}" if is_ignored else plain


def _read_line(line: str, unit: str, remarks: list[str]) -> tuple[str, bool]:
    """Return a command, and whether its failure is ignored."""
    prefixes = re.match(r"[@\-:+!|]*", line)
    marks = prefixes[0] if prefixes else ""
    command = line[len(marks) :]
    if set(marks) - {"-", ":"}:
        remarks.append(f"the prefix {marks!r} of {line!r} has no equivalent")
    replaced = {"%%": "%", "%h": str(Path.home()), "%n": unit, "%N": unit.rpartition(".")[0], "%t": "/run"}
    command = re.sub(r"%[%hnNt]", lambda found: replaced[found[0]], command)
    if left := re.findall(r"%[A-Za-z]", command):
        remarks.append(f"the specifiers {', '.join(left)} of {line!r} stay as they are")
    return command, "-" in marks


def _add_environment(service: SystemdUnit, table: dict[str, Any], remarks: list[str]) -> None:
    directory = service.take_last("Service", "WorkingDirectory")
    if directory is not None:
        plain = directory.removeprefix("-")
        table["cwd"] = str(Path.home()) if plain == "~" else plain.replace("%h", str(Path.home()))
    else:
        table["cwd"] = "/"
    env: dict[str, str] = {}
    for line in service.take("Service", "Environment"):
        for item in shlex.split(line):
            name, _, value = item.partition("=")
            env[name] = value.replace("%h", str(Path.home()))
    if env:
        table["env"] = env
    files = service.take("Service", "EnvironmentFile")
    if files:
        if not Path(files[0].removeprefix("-")).is_file():
            remarks.append(f"EnvironmentFile={files[0]} is not here; set env_file when it is, because it must exist")
        else:
            table["env_file"] = files[0].removeprefix("-")
        remarks += [f"EnvironmentFile={name} is a second file; a job has one" for name in files[1:]]
    user = service.take_last("Service", "User")
    if user is not None and user != "root":
        add_user(user, table, remarks)
    umask = service.take_last("Service", "UMask")
    if umask is not None:
        table["umask"] = umask.rjust(3, "0")[-3:]
    text = service.take("Service", "StandardInputText")
    if text:
        table["stdin"] = "".join(f"{line}\n" for line in text)
        service.take("Service", "StandardInput")


def _add_limits(service: SystemdUnit, table: dict[str, Any], remarks: list[str]) -> None:
    is_oneshot = "oneshot" in service.sections.get("Service", {}).get("Type", [])
    starts = [service.take_last("Service", key) for key in ("TimeoutSec", "TimeoutStartSec")]
    limit = service.take_last("Service", "RuntimeMaxSec") or (next(filter(None, reversed(starts)), None))
    if limit is not None and (is_oneshot or not any(starts)):
        _set(table, "timeout", _duration_text, limit, remarks)
    stop = service.take_last("Service", "TimeoutStopSec")
    if stop is not None:
        _set(table, "kill_after", _duration_text, stop, remarks)
    limits: dict[str, Any] = {}
    for key, (name, read) in _LIMITS.items():
        value = service.take_last("Service", key)
        if value is not None:
            _set(limits, name, read, value, remarks)
    if service.take_last("Service", "IOSchedulingClass") in ("idle", "3"):
        limits["ionice"] = "idle"
    if limits:
        table["limits"] = {**limits, "best_effort": True}
    codes = service.take("Service", "SuccessExitStatus")
    if codes:
        words = " ".join(codes).split()
        table["success_codes"] = sorted({0, *(int(word) for word in words if word.isdecimal())})
        if names := [word for word in words if not word.isdecimal()]:
            remarks.append(f"SuccessExitStatus={' '.join(names)}: only numbers count as success here")


def _set(table: dict[str, Any], name: str, read: Callable[[str], Any], text: str, remarks: list[str]) -> None:
    try:
        value = read(text)
    except ValueError as error:
        remarks.append(str(error))
        return
    if value is not None:
        table[name] = value


def _duration_text(text: str) -> str | None:
    span = parse_span(text)
    return None if span is None else format_duration(span)


def _count(text: str) -> int | None:
    words = text.split(":")[0]
    return int(words) if words.lstrip("-").isdecimal() else None


_LIMITS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "MemoryMax": ("memory", parse_bytes),
    "TasksMax": ("processes", _count),
    "Nice": ("nice", _count),
    "LimitNOFILE": ("open_files", _count),
    "LimitFSIZE": ("file_size", parse_bytes),
    "LimitCPU": ("cpu_time", _duration_text),
}


def _add_conditions(service: SystemdUnit, table: dict[str, Any], remarks: list[str]) -> None:
    guards: list[dict[str, Any]] = []
    for kind in ("Condition", "Assert"):
        power = service.take_last("Unit", f"{kind}ACPower")
        if power is not None:
            guards.append({"type": "power"})
            if power.lower() not in ("1", "yes", "true", "on"):
                guards.pop()
                remarks.append(f"{kind}ACPower={power} has no equivalent")
        for key, options in (("PathExists", {}), ("PathExistsGlob", {}), ("PathIsMountPoint", {"is_mount": True})):
            for path in service.take("Unit", f"{kind}{key}"):
                exists = {} if not path.startswith("!") else {"exists": False}
                guards.append({"type": "path", "path": path.lstrip("!|"), **options, **exists})
    for number, guard in enumerate(guards, 1):
        if sum(other["type"] == guard["type"] for other in guards[:number]) > 1:
            guard["id"] = f"{guard['type']}-{number}"
    if guards:
        table["guards"] = guards
