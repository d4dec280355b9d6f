"""Keys and values of other tools, and what to write instead of them here. They serve suggestions alone."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from rae_auto.model.primitives.names import Synonyms

KEY_SYNONYMS: Synonyms = {
    **dict.fromkeys(("depends_on", "depends", "dependencies", "requires", "wants"), ("needs",)),
    **dict.fromkeys(("environment", "environ", "envs", "variables", "vars"), ("env",)),
    **dict.fromkeys(("retries", "max_retries", "restart", "retry_count"), ("retry", "attempts")),
    **dict.fromkeys(("cron", "crontab", "on_calendar", "oncalendar"), ("schedule", "expression")),
    **dict.fromkeys(("working_dir", "working_directory", "workdir", "dir", "directory", "chdir"), ("cwd", "path")),
    **dict.fromkeys(("cmd", "exec", "exec_start", "execstart", "program", "entrypoint", "argv"), ("command",)),
    **dict.fromkeys(("run", "sh", "bash"), ("shell", "command")),
    **dict.fromkeys(("only_if", "if", "condition", "conditions", "unless"), ("guards",)),
    **dict.fromkeys(("concurrency", "max_instances", "singleton", "concurrency_policy"), ("overlap", "max_parallel")),
    **dict.fromkeys(("tz", "time_zone"), ("timezone",)),
    **dict.fromkeys(("time_limit", "max_runtime", "deadline", "timeout_sec"), ("timeout",)),
    **dict.fromkeys(("misfire_grace_time", "persistent", "anacron", "catchup"), ("catch_up",)),
    **dict.fromkeys(("notifications", "alerts", "mailto"), ("notify", "notifiers")),
    **dict.fromkeys(("job", "tasks", "task", "services"), ("jobs",)),
    **dict.fromkeys(("backend", "database", "storage"), ("store",)),
    **dict.fromkeys(("logging", "log", "logs"), ("loggers",)),
    **dict.fromkeys(("splay", "random_delay", "randomized_delay_sec"), ("jitter",)),
    **dict.fromkeys(("func", "function", "callable", "module"), ("python",)),
    **dict.fromkeys(("memory", "cpu_time", "nice", "memory_max", "memory_limit"), ("limits",)),
    **dict.fromkeys(("disabled", "active", "paused"), ("enabled",)),
    **dict.fromkeys(("arguments", "params"), ("args",)),
}
"""Our keys for those of cron, systemd, Compose, CI systems and other schedulers."""

_INTERVAL = 'trigger = { type = "interval", every = "5m" }'
_AFTER = 'trigger = { type = "job", jobs = ["NAME"] }'
_ONCE = 'trigger = { type = "once", at = "2026-01-31T18:00" }'

_JOB_HINTS: Mapping[str, str] = {
    **dict.fromkeys(("every", "interval", "period", "seconds", "minutes", "hours"), f"write {_INTERVAL}"),
    **dict.fromkeys(("at", "date", "run_at", "start_date"), f'write {_ONCE}, or schedule = "0 18 * * *" for each day'),
    **dict.fromkeys(("when", "on"), f'write schedule = "0 9 * * *", or {_INTERVAL}'),
    **dict.fromkeys(("after",), f'write {_AFTER} to start after another job, or needs = ["NAME"] to wait for one'),
    **dict.fromkeys(("watch", "paths", "path"), 'write trigger = { type = "file", paths = ["~/inbox"] }'),
    **dict.fromkeys(("on_failure", "on_error", "onfailure"), 'write notify = { on = ["failure"], via = ["NAME"] }'),
    **dict.fromkeys(("on_success",), 'write notify = { on = ["success"], via = ["NAME"] }'),
    **dict.fromkeys(("envfile", "dotenv", "environment_file"), 'write env_file = ".env"'),
    **dict.fromkeys(("run_as", "runas", "username"), 'write user = "NAME", which needs a daemon of root'),
    **dict.fromkeys(("group", "groups"), 'a job has the groups of its user; write user = "NAME" for another one'),
    **dict.fromkeys(("description", "desc", "comment", "title"), 'write name = "…", or a comment that begins with #'),
    **dict.fromkeys(("stdout", "output", "log_file", "logfile"), "output is kept; 'rae-auto output JOB' shows it"),
    **dict.fromkeys(("delay", "max_delay", "backoff"), 'write retry = { attempts = 3, delay = "10s" }'),
    **dict.fromkeys(
        ("timezone", "tz", "time_zone"),
        'write it at the top of the file, or in trigger = { type = "cron", expression = "…", timezone = "…" }',
    ),
    **dict.fromkeys(("expression",), 'write schedule = "0 9 * * *"'),
}
_FILE_HINTS: Mapping[str, str] = {
    **dict.fromkeys(
        ("command", "shell", "python", "schedule", "trigger", "triggers", "cron", "every", "script", "cmd", "run"),
        "it belongs to a job; write it under [jobs.NAME]",
    ),
    **dict.fromkeys(
        ("needs", "guards", "retry", "timeout", "cwd", "notify", "limits", "priority", "overlap"),
        ("it belongs to a job; write it under [jobs.NAME], or under [defaults] for all jobs"),
    ),
    **dict.fromkeys(("env", "environment"), "write it under [defaults] for all jobs"),
}


TRIGGER_SYNONYMS: Synonyms = {
    **dict.fromkeys(("timer", "every", "repeat", "periodic"), ("interval",)),
    **dict.fromkeys(("at", "date", "one_shot", "delay"), ("once",)),
    **dict.fromkeys(("schedule", "crontab", "calendar", "time"), ("cron",)),
    **dict.fromkeys(("watch", "files", "path", "inotify", "directory", "folder", "change"), ("file",)),
    **dict.fromkeys(("after", "jobs", "chain", "success", "failure", "follow", "needs"), ("job",)),
    **dict.fromkeys(("login", "logout", "suspend", "resume", "network", "usb", "event"), ("system",)),
    **dict.fromkeys(("metric", "cpu", "memory", "disk", "battery", "load"), ("threshold",)),
    **dict.fromkeys(("any", "all", "sequence", "and", "or"), ("combine",)),
    **dict.fromkeys(("none", "never", "hand"), ("manual",)),
}
"""The triggers that may be meant, by the words of others; suggested only where they are installed."""

_TRIGGER_TYPES: Mapping[str, str] = {
    "expression": "cron",
    "schedule": "cron",
    "cron": "cron",
    "every": "interval",
    "at": "once",
    "paths": "file",
    "path": "file",
    "jobs": "job",
    "file": "calendar",
    "dates": "calendar",
    "metric": "threshold",
    "pattern": "usage",
    "all": "combine",
    "any": "combine",
    "sequence": "combine",
}
"""The triggers that may be meant, by an option; they serve suggestions alone."""


def find_key_synonyms(name: str) -> Sequence[str]:
    """Return our keys for a key of other tools."""
    return KEY_SYNONYMS.get(name.lower().replace("-", "_"), ())


def describe_other_key(name: str, known: Collection[str]) -> str | None:
    """Return what to write in place of a key of other tools, as a clause; None if that isn't known.

    `known` are the keys of the table, which distinguish a job's table from the top level of a file.
    """
    plain = name.lower().replace("-", "_")
    if "triggers" in known and "command" in known:
        return _JOB_HINTS.get(plain)
    return _FILE_HINTS.get(plain) if "max_parallel" in known and "jobs" in known else None


def describe_other_trigger(text: str) -> str | None:
    """Return what to write in place of a text that names no trigger, such as "every 5m"; None if that isn't known."""
    plain = " ".join(text.lower().split())
    if match := re.fullmatch(r"(?:@?every )?((?:\d+ ?(?:s|m|h|d))+)", plain):
        return f'write {{ type = "interval", every = "{match[1].replace(" ", "")}" }}'
    if match := re.fullmatch(r"(?:@?every )?(\d+) ?(s|m|h|d)[a-z]+", plain):
        return f'write {{ type = "interval", every = "{match[1]}{match[2]}" }}'
    if (match := re.fullmatch(r"(?:at )?(\d{1,2}):(\d\d)", plain)) and int(match[1]) < 24:
        return f'write schedule = "{int(match[2])} {int(match[1])} * * *"'
    if plain in ("@reboot", "reboot", "boot", "startup"):
        return 'write { type = "system", on = ["boot"] }'
    if plain.startswith("@") or len(plain.split()) > 1 or ":" in plain:
        return f'write schedule = "{text}" for a time' if len(text) <= 60 else None
    return None


def describe_missing_type(options: Iterable[str]) -> str:
    """Return how to name the plugin of a table with these options."""
    known = next((_TRIGGER_TYPES[name] for name in options if name in _TRIGGER_TYPES), None)
    return f'write type = "{known}"' if known else "write type = \"…\"; 'rae-auto plugins' lists the names"
