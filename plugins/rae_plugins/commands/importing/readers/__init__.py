"""Readers of files that other schedulers have: each a module with a function from paths to an `Import`.

A reader builds nothing of what it reads but texts, numbers, lists and tables, names all that has no equivalent in a
remark, and raises BadRequest for a file that is of another kind. Whatever of a job it doesn't know is a remark too.
"""

from collections.abc import Mapping, Sequence

from rae_plugins.commands.importing.imported import Import

OFF_SWITCHES: Mapping[str, str] = {
    "cronstable": "stop the daemon of cronstable, or set enabled: false in its jobs",
    "yacron": "stop the daemon of yacron, or set enabled: false in its jobs",
    "github-actions": "remove the schedule of the workflow, or disable it on its page",
    "claude-code": "ask Claude Code to delete the tasks",
    "apscheduler": "stop the program that runs them, or remove its jobs from the store",
    "task-scheduler": "disable the tasks in Task Scheduler, or by 'schtasks /change /disable'",
    "openclaw": "run 'openclaw cron disable' for what was imported",
}
"""The kinds that are read here, and how their jobs are switched off by hand."""


def read_files(kind: str, names: Sequence[str]) -> Import:
    """Return the jobs of the files of a kind. Errors: BadRequest, OSError."""
    match kind:
        case "cronstable" | "yacron":
            from rae_plugins.commands.importing.readers.cronstable_jobs import read_cronstable  # lazy: start-up

            return read_cronstable(names, kind)
        case "github-actions":
            from rae_plugins.commands.importing.readers.github_workflows import read_workflows  # lazy: start-up

            return read_workflows(names)
        case "claude-code":
            from rae_plugins.commands.importing.readers.claude_tasks import read_claude_tasks  # lazy: start-up

            return read_claude_tasks(names)
        case "task-scheduler":
            from rae_plugins.commands.importing.readers.scheduled_tasks import read_scheduled_tasks  # lazy: start-up

            return read_scheduled_tasks(names)
        case "apscheduler":
            from rae_plugins.commands.importing.readers.apscheduler_stores.stored_jobs import (  # lazy: start-up
                read_job_stores,
            )

            return read_job_stores(names)
        case "openclaw":
            from rae_plugins.commands.importing.readers.openclaw_jobs import read_openclaw_jobs  # lazy: start-up

            return read_openclaw_jobs(names)
    raise ValueError(kind)
