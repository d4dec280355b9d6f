"""The commands of the program: for each its module and its summary, so that none is imported for the help."""

from collections.abc import Mapping
from typing import NamedTuple


class IndexedCommand(NamedTuple):
    """The module of `rae_auto.cli` that defines a command as NAME_command, and the first line of its help."""

    module: str
    summary: str


COMMAND_GROUPS: Mapping[str, Mapping[str, IndexedCommand]] = {
    "Run": {
        "run": IndexedCommand("daemon", "Run the daemon in the foreground until Ctrl-C, SIGTERM or 'rae-auto stop'."),
        "stop": IndexedCommand("daemon", "Stop the daemon."),
        "reload": IndexedCommand("daemon", "Make the daemon read its configuration again."),
        "trigger": IndexedCommand("runs", "Start jobs by hand and print the ids of their runs."),
        "exec": IndexedCommand(
            "runs", "Run a job in the foreground, without a daemon, in the environment that the daemon gives it."
        ),
        "cancel": IndexedCommand("runs", "Cancel runs by their ids, or all open runs of jobs."),
        "event": IndexedCommand("events", "Record events that triggers react to, and list or delete recorded events."),
    },
    "Look": {
        "status": IndexedCommand(
            "daemon", "Show whether all is well, what is running, what is waiting and why, and what comes next."
        ),
        "list": IndexedCommand("jobs", "List all jobs, with their present state and their next run."),
        "show": IndexedCommand("jobs", "Show a job: its definition, its state, and its open runs."),
        "next": IndexedCommand("planning", "Show when a cron expression or a job starts next."),
        "history": IndexedCommand("history", "Show runs, the newest first."),
        "output": IndexedCommand("runs", "Show the output of a run: of the last run of a job, or of a run by its id."),
        "why": IndexedCommand(
            "history", "Explain why a job ran, did not run, or is waiting: now, at a time, or in a run."
        ),
        "stats": IndexedCommand("history", "Show how often runs succeed, how long they take and how late they start."),
        "digest": IndexedCommand(
            "upkeep.digest", "Sum up what ran, failed, was skipped and got slower, what needs you, and what comes next."
        ),
        "explain": IndexedCommand(
            "upkeep.explain",
            "Explain a code: a reason, a state of a run, a kind of error, a kind of problem, or an exit code.",
        ),
        "logs": IndexedCommand("upkeep.logs", "Show the log of the daemon, or the lines about a job."),
        "health": IndexedCommand(
            "upkeep.health",
            "Say in one line whether the daemon works: its loop, store, disk, clock, plugins, and jobs that are "
            "overdue.",
        ),
        "metrics": IndexedCommand(
            "upkeep.health", "Print the metrics of the daemon and of all jobs, as text for Prometheus."
        ),
    },
    "Change": {
        "add": IndexedCommand("change.add", "Add a job to the daemon, which keeps it in the store."),
        "edit": IndexedCommand(
            "change.edit", "Open a job in your editor, check what you wrote, and let it take effect."
        ),
        "rename": IndexedCommand("change.rename", "Give another name to a job that was added by hand."),
        "remove": IndexedCommand("jobs", "Remove jobs that were added by hand, with or without a running daemon."),
        "pause": IndexedCommand(
            "jobs", "Pause jobs: they start by hand only, until the pause ends or they are resumed."
        ),
        "resume": IndexedCommand("jobs", "Resume paused jobs."),
        "skip": IndexedCommand("jobs", "Skip the next scheduled start of a job; a second time, the one after it."),
    },
    "Plan": {
        "check": IndexedCommand(
            "planning",
            "Find all errors of a configuration, and what is likely to fail on this machine, without running anything.",
        ),
        "simulate": IndexedCommand(
            "simulate", "Show what the configuration would do: each start, wait and skip, with its reason."
        ),
        "test-trigger": IndexedCommand("runs", "Watch a job's triggers and show what they would start."),
    },
    "Store": {
        "backup": IndexedCommand("upkeep.backups", "Write the contents of the store to a file."),
        "restore": IndexedCommand(
            "upkeep.backups", "Restore the store from a backup, which may be from another kind of store."
        ),
        "disk": IndexedCommand(
            "upkeep.disk", "Show what the history, the output of jobs and the log take on the disk."
        ),
        "prune": IndexedCommand(
            "upkeep.disk",
            "Remove the history and output that `[history]` doesn't keep, now instead of within the hour.",
        ),
    },
    "Plugins": {
        "plugins": IndexedCommand(
            "plugins", "List the installed plugins, with their origin and state, or make, check and try one."
        ),
        "notify": IndexedCommand(
            "interactive.notify", "Send a test notice, and show and retry notices that are not delivered."
        ),
        "schema": IndexedCommand(
            "planning",
            "Print the JSON Schema of the configuration (with all installed plugins), or of stored jobs and runs.",
        ),
    },
    "Setup": {
        "init": IndexedCommand("planning", "Write a commented starter configuration."),
        "service": IndexedCommand(
            "upkeep.service",
            "Run the daemon as a service: started when you log in or at boot, and again after a crash.",
        ),
        "doctor": IndexedCommand("upkeep.doctor", "Find problems and print a hint for each; changes nothing."),
        "completion": IndexedCommand(
            "planning",
            "Print the completion script for a shell: commands, options, and the names of jobs, runs, states and "
            "plugins.",
        ),
    },
}
"""The groups of the help, with their commands."""

COMMANDS: Mapping[str, IndexedCommand] = {name: of for group in COMMAND_GROUPS.values() for name, of in group.items()}
"""Each command by its name."""
