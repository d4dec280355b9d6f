"""Workflows of GitHub Actions that have a `schedule:` as jobs: what their `run:` steps say.

A schedule is five fields in UTC. Steps that run an action have no equivalent, nor have machines, containers and
matrices. A job whose commands hold `${{ … }}` is imported disabled, because only GitHub can fill that in.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rae_plugins.commands.importing.imported import FireTimes, Import, ImportedJob, JobNames, Leftover
from rae_plugins.commands.importing.readers.taking import Taking, format_seconds, shorten
from rae_plugins.commands.importing.readers.yaml_text import read_yaml
from rae_plugins.commands.importing.source_files import list_files
from rae_plugins.triggers.cron import CronTrigger

_KIND = "a workflow of GitHub Actions"
_DEFAULT_FOLDER = ".github/workflows"
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_SECRET = re.compile(r"\$\{\{\s*(?:secrets|vars)\.(\w+)\s*\}\}")
DEFAULT_TIMEOUT_MINUTES = 360


def read_workflows(names: Sequence[str]) -> Import:
    """Return the jobs of workflows, by default of those of the repository in this folder. Errors: BadRequest."""
    chosen = names or (_DEFAULT_FOLDER,)
    entries: list[ImportedJob | Leftover] = []
    taken = JobNames()
    for path in list_files(chosen, (".yml", ".yaml"), _KIND):
        entries += _read_workflow(path, taken)
    remarks = (
        "a job has the environment of the daemon, and none of the variables and tools of GitHub's machines",
        "GitHub starts a schedule late when it is busy, and may leave it out",
    )
    return Import(", ".join(chosen), entries, remarks, {"catch_up": "none", "overlap": "allow"})


def _read_workflow(path: Path, taken: JobNames) -> Iterator[ImportedJob | Leftover]:
    remarks: list[str] = []
    workflow = Taking(read_yaml(path, _KIND), remarks)
    events = workflow.take("on", {})
    events = events if isinstance(events, dict) else dict.fromkeys(events if isinstance(events, list) else [events])
    schedules = [one for one in events.pop("schedule", None) or () if isinstance(one, dict) and one.get("cron")]
    if not schedules:
        yield Leftover(
            (str(path),), f"{path.name} has no schedule; it starts by {', '.join(map(str, events)) or 'hand'}"
        )
        return
    if others := [str(event) for event in events if event != "workflow_dispatch"]:
        remarks.append(
            f"starts by {', '.join(others)} too, which have no equivalent; 'rae-auto trigger' starts it by hand"
        )
    try:
        triggers = [_read_trigger(one) for one in schedules]
    except ValueError as error:
        yield Leftover((str(path),), f"{path.name}: {error}")
        return
    name = workflow.take_text("name") or path.stem
    shared = {key: workflow.take(key, {}) for key in ("env", "defaults", "concurrency")}
    jobs = workflow.take("jobs", {})
    workflow.forget(("run-name", "permissions"))
    workflow.remark_rest(f"of {path.name} ")
    jobs = jobs if isinstance(jobs, dict) else {}
    ids = {
        str(key): taken.take(str(key) if len(jobs) == 1 and str(key) != "build" else f"{path.stem}-{key}")
        for key in jobs
    }
    for key, job in jobs.items():
        reader = _WorkflowJob(Taking(job if isinstance(job, dict) else {}, list(remarks)), shared, _root_of(path))
        yield reader.read(ids[str(key)], f"{path.name}: {name}, {key}", triggers, ids)


def _read_trigger(schedule: dict[str, Any]) -> dict[str, Any]:
    expression, zone = str(schedule["cron"]), str(schedule.get("timezone") or "UTC")
    CronTrigger(expression=expression, timezone=zone)
    return {"type": "cron", "expression": expression, "timezone": zone}


def _root_of(path: Path) -> Path | None:
    folder = path.absolute().parent
    return folder.parent.parent if folder.parts[-2:] == (".github", "workflows") else None


class _WorkflowJob:
    """A job of a workflow, and what the workflow says for all of its jobs."""

    def __init__(self, job: Taking, shared: dict[str, Any], root: Path | None) -> None:
        self.job, self.shared, self.root = job, shared, root
        self.remarks = job.remarks

    def read(
        self, id_: str, comment: str, triggers: list[dict[str, Any]], ids: dict[str, str]
    ) -> ImportedJob | Leftover:
        """Return the job, or a comment where it has nothing to run."""
        env = self._read_env({**_table_of(self.shared["env"]), **_table_of(self.job.take("env", {}))})
        defaults = {**_run_defaults(self.shared["defaults"]), **_run_defaults(self.job.take("defaults", {}))}
        script = self._read_steps(self.job.take_list("steps"), defaults)
        if script is None:
            return Leftover((comment, *self.remarks), f"{id_} runs actions of GitHub alone")
        table: dict[str, Any] = {"shell": script, "shell_program": "bash"}
        if self.root is not None:
            table["cwd"] = str(self.root)
        else:
            self.remarks.append("it runs in a checkout of its repository; set cwd")
        times: tuple[FireTimes, ...] = ()
        if needed := [ids.get(str(name), str(name)) for name in self.job.take_list("needs")]:
            many = {"mode": "all", "within": "24h"} if len(needed) > 1 else {}
            table["trigger"] = {"type": "job", "jobs": needed, **many}
        else:
            table |= {"trigger": triggers[0]} if len(triggers) == 1 else {"triggers": triggers}
            times = tuple(FireTimes("cron", one["expression"], one["timezone"]) for one in triggers)
        if env:
            table["env"] = env
        minutes = self.job.take_number("timeout-minutes") or DEFAULT_TIMEOUT_MINUTES
        table["timeout"] = format_seconds(minutes * 60)
        self._add_concurrency(table)
        if named := sorted(set(_EXPRESSION.findall(script))):
            table["enabled"] = False
            self.remarks.append(f"is disabled until you replace what only GitHub can fill in: {', '.join(named)}")
        self.job.forget(("name", "permissions", "outputs"))
        self.job.remark_rest()
        return ImportedJob(id=id_, table=table, comments=(comment,), remarks=tuple(self.remarks), times=times)

    def _add_concurrency(self, table: dict[str, Any]) -> None:
        given = self.job.take("concurrency") or self.shared["concurrency"]
        if not given:
            return
        cancels = isinstance(given, dict) and str(given.get("cancel-in-progress", "")).lower() == "true"
        table["overlap"] = "replace" if cancels else "queue"
        group = given.get("group") if isinstance(given, dict) else given
        self.remarks.append(f"the concurrency group {shorten(group)} counts for this job alone; others need a resource")

    def _read_env(self, given: dict[str, Any]) -> dict[str, str]:
        env = {str(name): _SECRET.sub(r"${env:\1}", str(value)) for name, value in given.items()}
        for name in [name for name, value in env.items() if _EXPRESSION.search(value)]:
            self.remarks.append(f"the variable {name} has {shorten(env.pop(name))}, which only GitHub can fill in")
        return env

    def _read_steps(self, steps: list[Any], defaults: dict[str, str]) -> str | None:
        lines: list[str] = []
        for step in steps:
            taking = Taking(step if isinstance(step, dict) else {}, self.remarks)
            if action := taking.take_text("uses"):
                taking.forget(("name", "id"))
                rest = ", ".join(taking.rest())
                self.remarks.append(f"the action {action} has no equivalent{f' ({rest})' if rest else ''}")
                continue
            if command := taking.take_text("run"):
                lines += self._read_run(command.rstrip(), taking, defaults)
        return "\n".join(["set -e", *lines, ""]) if lines else None

    def _read_run(self, command: str, step: Taking, defaults: dict[str, str]) -> Iterator[str]:
        if name := step.take_text("name"):
            yield f"# {shorten(name)}"
        folder = step.take_text("working-directory") or defaults.get("working-directory")
        program = step.take_text("shell") or defaults.get("shell", "bash")
        env = self._read_env(_table_of(step.take("env", {})))
        before = [f"cd {shlex.quote(folder)}"] if folder else []
        before += [f"export {key}={shlex.quote(value)}" for key, value in env.items()]
        ignores = step.take_flag("continue-on-error", default=False)
        step.forget(("id",))
        step.remark_rest("a step: ")
        text = "\n".join([*before, command])
        if program not in ("bash", "sh"):
            yield (
                f"{program} -c {shlex.quote(text)}"
                if not before
                else f"({'; '.join(before)}; {program} -c {shlex.quote(command)})"
            )
            self.remarks.append(f"the shell {program!r} is called with -c, if it has that")
        elif ignores:
            yield f"bash -ec {shlex.quote(text)} || true"
        else:
            yield f"(\n{text}\n)"


def _run_defaults(given: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in _table_of(_table_of(given).get("run", {})).items()}


def _table_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
