"""Keys of other tools, and what they are called here."""

from rae_auto.model.primitives.names import Synonyms

KEY_SYNONYMS: Synonyms = {
    **dict.fromkeys(("depends_on", "depends", "dependencies", "requires", "after"), ("needs",)),
    **dict.fromkeys(("environment", "environ", "envs", "variables"), ("env",)),
    **dict.fromkeys(("retries", "max_retries", "restart"), ("retry", "attempts")),
    **dict.fromkeys(("cron", "crontab", "when", "on_calendar"), ("schedule", "expression")),
    **dict.fromkeys(("every", "interval", "on", "watch"), ("trigger",)),
    **dict.fromkeys(("working_dir", "working_directory", "workdir", "dir", "directory"), ("cwd", "path")),
    **dict.fromkeys(("cmd", "exec", "exec_start", "execstart", "program", "entrypoint"), ("command",)),
    **dict.fromkeys(("run", "script", "sh", "bash"), ("shell", "command")),
    **dict.fromkeys(("only_if", "if", "condition", "conditions"), ("guards",)),
    **dict.fromkeys(("concurrency", "max_instances", "singleton"), ("overlap", "max_parallel")),
    **dict.fromkeys(("tz", "time_zone"), ("timezone",)),
    **dict.fromkeys(("time_limit", "max_runtime", "deadline", "timeout_sec"), ("timeout",)),
    **dict.fromkeys(("misfire_grace_time", "persistent", "anacron"), ("catch_up",)),
    **dict.fromkeys(("notifications", "alerts", "mailto", "on_failure"), ("notify", "notifiers")),
    **dict.fromkeys(("job", "tasks", "task", "services"), ("jobs",)),
    **dict.fromkeys(("backend", "database", "storage"), ("store",)),
    **dict.fromkeys(("logging", "log", "logs"), ("loggers",)),
}
"""Our keys for those of cron, systemd, Compose, CI systems and other schedulers."""
