"""Advice on a job that is added to a running daemon: the warnings that `check` gives for a job of a configuration."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from rae_auto.api.plugin import PluginSource
from rae_auto.checks.advisor import JobAdvisor
from rae_auto.config.advice import CheckedJob
from rae_auto.config.options import check_plugins_of, find_option_warnings, make
from rae_auto.model.job import Job
from rae_auto.model.primitives.problems import Key, Problem, ProblemCollector, describe_problem
from rae_auto.paths import home_or_root


def find_warnings(
    job: Job,
    plugins: PluginSource,
    timezone: str,
    now: datetime,
    environment: Mapping[str, str],
    *,
    has_notifiers: bool,
) -> list[str]:
    """Return warnings about a valid job, a line each; looks at files, and runs nothing.

    `environment` is that of the daemon.
    """
    keys: list[Key] = [
        ("schedule",) if len(job.schedule) == 1 else ("schedule", index) for index in range(len(job.schedule))
    ]
    refs = list(zip(keys, job.schedule, strict=True))
    made = check_plugins_of(
        refs, job.guards, job.executor, lambda kind, ref: make(kind, ref, plugins, timezone), ProblemCollector()
    )
    problems = [
        Problem((*key, *one.key), one.what) for key, plugin in made.items() for one in find_option_warnings(plugin)
    ]
    triggers = {key: made[key] for key in keys if key in made}
    advisor = JobAdvisor(plugins, Path(job.directory) if job.directory else home_or_root(), now, environment)
    checked = CheckedJob(job, triggers, timezone, has_notifiers)
    problems += advisor.advise_on_job(checked)
    problems += [Problem(one.key[2:], one.what) for one in advisor.find_broken_plugins([checked])]
    return list(dict.fromkeys(map(describe_problem, problems)))
