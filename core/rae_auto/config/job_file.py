"""A file with one job, as `rae-auto add --file` takes it: the same keys and forms as in a configuration.

The file has the keys of one job, with its name as `id`, or a table `[jobs.NAME]` as in a configuration. What the job
names (other jobs, notifiers, resources) is checked by the daemon, which knows them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from rae_auto.api.plugin import PluginSource
from rae_auto.config.job_reader import JobReader
from rae_auto.config.tables import RUN_KEYS
from rae_auto.config.toml.problem_lines import format_problems
from rae_auto.config.toml.reading import format_place, parse, read_text
from rae_auto.errors import ConfigError
from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.json_values import plain
from rae_auto.model.primitives.problems import Key, ProblemCollector


def read_job_file(
    path: Path, plugins: PluginSource, name: str | None, work: Mapping[str, Any], directory: Path | None = None
) -> Job:
    """Return the job of a TOML file.

    `name` is the name that was given beside the file, `work` what the job is to run instead of what the file says,
    `directory` the folder that relative paths start from (by default that of the file).
    Raises ConfigError with all problems, each with its line.
    """
    text = read_text(path)
    findings = ProblemCollector()
    document = plain(parse(path, text), findings)
    prefix: Key = ()
    if "jobs" in document:
        chosen = _choose_job(path, document, name)
        document, prefix = document["jobs"][chosen], ("jobs", chosen)
        name = name or chosen
    else:
        own = document.pop("id", None)
        name = name or own
    if not isinstance(name, str):
        raise ConfigError([f"{format_place(path)}: the job has no name; write 'rae-auto add NAME', or [jobs.NAME]"])
    if work and isinstance(document, dict):
        document = {**{key: value for key, value in document.items() if key not in (*RUN_KEYS, "args")}, **work}
    reader = JobReader(directory or path.absolute().parent, plugins, "UTC", None, findings=findings)
    jobs = reader.read({name: document}, {})
    if findings.problems:
        problems = [
            evolve(problem, key=(*prefix, *problem.key[2:])) if problem.key[:1] == ("jobs",) else problem
            for problem in findings.problems
        ]
        raise ConfigError(format_problems(path, text, problems))
    return jobs[0]


def _choose_job(path: Path, document: Mapping[str, Any], name: str | None) -> str:
    """Return the name of the job in a file with `[jobs.NAME]`: the one of that name, or the only one."""
    jobs = document["jobs"]
    others = [key for key in document if key != "jobs"]
    if not isinstance(jobs, dict) or not jobs:
        raise ConfigError([f"{format_place(path)}: has no job; write [jobs.NAME] and its keys below"])
    if others:
        what = f"{quote(others[0])} belongs to a configuration, and this is the file of one job; remove it"
        raise ConfigError([f"{format_place(path)}: {what}, or run the file with 'rae-auto run --config FILE'"])
    if name in jobs:
        return str(name)
    if len(jobs) > 1:
        listed = ", ".join(list(jobs)[:8])
        raise ConfigError([f"{format_place(path)}: has {len(jobs)} jobs; name one of them in 'add': {listed}"])
    return str(next(iter(jobs)))
