"""The YAML of cronstable (up to 1.2.72) and of yacron (up to 0.19) as jobs.

Defaults are merged as they do it: those of included files, then those of the file, then the job; tables by their
keys, lists one after the other. A job that says nothing runs in UTC, may overlap, and fails by what it writes to
standard error.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote
from rae_plugins.commands.importing.imported import Import, ImportedJob, JobNames, Leftover
from rae_plugins.commands.importing.readers.cronstable_dags import split_dag
from rae_plugins.commands.importing.readers.cronstable_reports import ReportReader
from rae_plugins.commands.importing.readers.cronstable_schedules import read_schedule
from rae_plugins.commands.importing.readers.taking import Taking
from rae_plugins.commands.importing.readers.yaml_text import read_yaml
from rae_plugins.commands.importing.source_files import list_files
from rae_plugins.commands.importing.user_accounts import add_user

DEFAULTS: Mapping[str, Any] = {"catch_up": "none", "overlap": "allow"}

_OVERLAPS = {"Allow": "allow", "Forbid": "skip", "Replace": "replace"}
_CATCH_UPS = {"skip": "none", "run-once": "latest", "run-all": "all"}
_NICE = {"idle": 19, "below-normal": 10, "above-normal": -5, "high": -10}
_OUTPUT_KEYS = (
    "captureStdout", "saveLimit", "maxLineLength", "streamPrefix", "monitorResources", "archiveOutput",
    "redactArchivedSecrets",
)  # fmt: skip
_SECTIONS: Mapping[str, str] = {
    "web": "the page is 'rae-auto ui', the interface for programs 'rae-auto --json'",
    "logging": "log lines go to the loggers of the configuration",
    "cluster": "one machine decides here; nothing elects one of several",
    "state": "the state is always kept, in the state directory",
    "mcp": "the server for agents is 'rae-auto mcp'",
    "push": "there are no push notices; use a webhook notifier",
    "notify": "notices about the daemon itself have no equivalent",
}
_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Za-z_]\w*)(?::-[^}]*)?\}")
_KIND = "a configuration of cronstable or yacron"
MAX_ATTEMPTS = 1000


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return two tables merged: tables by their keys, lists joined, everything else from the second."""
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping | None):
            merged[key] = merge(known, value or {})
        elif isinstance(known, list) and isinstance(value, list):
            merged[key] = known + value
        else:
            merged[key] = value
    return merged


@define
class CronstableReader:
    """Reads files and those that they include into jobs, with names that occur once. `kind` is the program."""

    kind: str = "cronstable"
    names: JobNames = field(factory=JobNames)
    reports: ReportReader = field(factory=ReportReader)
    entries: list[ImportedJob | Leftover] = field(factory=list)
    remarks: dict[str, None] = field(factory=dict)
    _open: list[Path] = field(factory=list)

    def read(self, path: Path) -> dict[str, Any]:
        """Add the jobs of a file and of those that it includes, and return its defaults. Errors: BadRequest."""
        if path.resolve() in self._open:
            raise BadRequest(f"{quote(path)} includes itself; remove the include")
        self._open.append(path.resolve())
        document = read_yaml(path, _KIND)
        if not set(document) & {"jobs", "defaults", "include", "dags", *_SECTIONS}:
            raise BadRequest(f"{quote(path)} has no jobs, so it is not {_KIND}; name another file")
        defaults: dict[str, Any] = {}
        for name in _list_of(document.pop("include", [])):
            defaults = merge(defaults, self.read(path.parent / str(name)))
        defaults = merge(defaults, _table_of(document.pop("defaults", {})))
        for number, job in enumerate(_list_of(document.pop("jobs", [])), 1):
            if isinstance(job, dict) and "name" in job:
                self.entries.append(self._read_job(merge(defaults, job), path.parent))
            else:
                self.entries.append(Leftover((f"job {number} of {path}",), "it has no name"))
        for dag in _list_of(document.pop("dags", [])):
            self._add_dag(_table_of(dag), defaults, path)
        for section in [name for name in document if name in _SECTIONS]:
            self.remarks[f"{section}: {_SECTIONS[section]}"] = None
            del document[section]
        if document:
            self.remarks[f"of {path.name} is unknown: {', '.join(document)}"] = None
        self._open.pop()
        return defaults

    def _add_dag(self, dag: dict[str, Any], defaults: Mapping[str, Any], path: Path) -> None:
        name = str(dag.get("name", "?"))
        try:
            parts = split_dag(dag)
        except (TypeError, ValueError) as error:
            self.entries.append(Leftover((f"dag {name} of {path}",), f"{name}: {error}"))
            return
        remark = f"is a task of the DAG {name}: it starts after each success of what it depends on, also of one by hand"
        for job, trigger in parts:
            self.entries.append(self._read_job(merge(defaults, job), path.parent, trigger, remark if trigger else ""))

    def _read_job(
        self, given: dict[str, Any], folder: Path, trigger: dict[str, Any] | None = None, remark: str = ""
    ) -> ImportedJob | Leftover:
        remarks: list[str] = [remark] if remark else []
        job = Taking(given, remarks)
        name = str(job.take_text("name"))
        self._expand(given, name, remarks)
        command = job.take("command")
        if not command:
            return Leftover((name,), f"{name} has no command")
        is_utc, zone = job.take_flag("utc", default=True), job.take_text("timezone")
        try:
            zone = zone or ("UTC" if is_utc else None)
            written = job.take("schedule", "")
            schedule: dict[str, Any] = (
                {"trigger": trigger, "times": ()} if trigger else read_schedule(written, zone, remarks)
            )
        except ValueError as error:
            return Leftover((f"{name}: {given.get('schedule')}",), f"{name}: {error}")
        times = schedule.pop("times")
        id_ = self.names.take(name)
        table = {"name": name} if name != id_ else {}
        table |= self._command_of(command, job.take_text("shell")) | schedule
        _add_environment(job, table, folder, remarks, kind=self.kind)
        _add_policies(job, table, remarks)
        table |= self.reports.read(job, remarks)
        job.forget(_OUTPUT_KEYS)
        job.remark_rest()
        return ImportedJob(id=id_, table=table, remarks=tuple(dict.fromkeys(remarks)), times=times)

    def _expand(self, given: Mapping[str, Any], name: str, remarks: list[str]) -> None:
        if self.kind != "cronstable":
            return
        named = sorted({match[1] for match in _VARIABLE.finditer(str(dict(given)))})
        if named:
            remarks.append(
                f"cronstable puts its own {', '.join(named)} into {name}; here only a shell does, from the "
                "environment of the job"
            )

    def _command_of(self, command: Any, shell: str | None) -> dict[str, Any]:
        if isinstance(command, list):
            return {"command": [self._plain(str(word)) for word in command]}
        text = self._plain(str(command))
        words = shlex.split(shell) if shell else []
        if len(words) > 1:
            return {"command": [*words, "-c", text]}
        return {"shell": text, **({"shell_program": words[0]} if words and words[0] != "/bin/sh" else {})}

    def _plain(self, text: str) -> str:
        return text.replace("$$", "$") if self.kind == "cronstable" else text


def _add_environment(job: Taking, table: dict[str, Any], folder: Path, remarks: list[str], *, kind: str) -> None:
    if directory := job.take_text("workingDirectory"):
        table["cwd"] = directory
    env: dict[str, str] = {}
    for item in job.take_list("environment"):
        if isinstance(item, dict) and "key" in item:
            value = str(item.get("value", ""))
            env[str(item["key"])] = _to_reference(value) if kind == "cronstable" else value
        else:
            remarks.append(f"environment has an item without a key: {item!r:.60}")
    if reserved := [name for name in env if name.startswith("RAE_")]:
        remarks.append(f"{', '.join(reserved)} can't be set, because the daemon sets such names")
    env = {name: value for name, value in env.items() if name not in reserved}
    if env:
        table["env"] = env
    if file := job.take_text("env_file"):
        path = folder / Path(file).expanduser()
        if path.is_file():
            table["env_file"] = str(path)
        else:
            remarks.append(f"env_file {file} is not here; set env_file when it is, because it must exist")
    if user := job.take_text("user"):
        add_user(user, table, remarks)
    if group := job.take_text("group"):
        remarks.append(f"runs with the group {group!r}; a job has the groups of its user")
    level = job.take_text("priority")
    if level in _NICE:
        table["limits"] = {"nice": _NICE[level], "best_effort": True}
    if job.take("secrets"):
        remarks.append("secrets: use secret_files, which a job finds by variables")


def _to_reference(value: str) -> str:
    """Return the value of a variable with cronstable's references as ours."""
    return _VARIABLE.sub(lambda match: f"${{env:{match[1]}}}", value).replace("$$", "$")


def _add_policies(job: Taking, table: dict[str, Any], remarks: list[str]) -> None:
    if not job.take_flag("enabled", default=True):
        table["enabled"] = False
    overlap = _OVERLAPS.get(job.take_text("concurrencyPolicy") or "Allow", "allow")
    catch_up = _CATCH_UPS.get(job.take_text("onMissed") or "skip", "none")
    table |= {"overlap": overlap} if overlap != DEFAULTS["overlap"] else {}
    table |= {"catch_up": catch_up} if catch_up != DEFAULTS["catch_up"] else {}
    if window := job.take_seconds("startingDeadlineSeconds"):
        table["catch_up_window"] = window
    if timeout := job.take_seconds("executionTimeout"):
        table["timeout"] = timeout
    table["kill_after"] = job.take_seconds("killTimeout") or "30s"
    _add_failures(job, table, remarks)
    _add_retry(job, table, remarks)
    sla = job.take_table("sla")
    expect = {
        key: span
        for key, span in (
            ("every", sla.take_seconds("maxTimeSinceSuccessSeconds")),
            ("max_runtime", sla.take_seconds("maxRuntimeSeconds")),
        )
        if span
    }
    sla.remark_rest("sla: ")
    if expect:
        table["expect"] = expect
    if job.take_flag("onlyIfLastSucceeded", default=False):
        remarks.append("onlyIfLastSucceeded has no equivalent; needs are for other jobs")
    if job.take("statsd"):
        remarks.append("statsd: 'rae-auto metrics' has the metrics")
    if (scope := job.take_text("concurrencyScope")) == "cluster":
        remarks.append(f"concurrencyScope: {scope} has no equivalent, because one machine decides here")
    if policy := job.take_text("clusterPolicy"):
        remarks.append(f"clusterPolicy: {policy} has no equivalent, because one machine decides here")


def _add_failures(job: Taking, table: dict[str, Any], remarks: list[str]) -> None:
    captures = job.take_flag("captureStderr", default=True)
    fails = job.take_table("failsWhen")
    if fails.take_flag("producesStderr", default=True) and captures:
        table["fail_on"] = ["stderr"]
    if fails.take_flag("producesStdout", default=False):
        remarks.append(
            "producesStdout: what a job prints to standard output doesn't fail it here; end it with an exit code"
        )
    if fails.take_flag("always", default=False):
        remarks.append("failsWhen always: a run that ends with exit code 0 succeeds here")
    if not fails.take_flag("nonzeroReturn", default=True):
        table["success_codes"] = list(range(256))
    fails.remark_rest("failsWhen: ")


def _add_retry(job: Taking, table: dict[str, Any], remarks: list[str]) -> None:
    failure = job.take("onFailure", {})
    if not isinstance(failure, dict) or not failure:
        return
    rest = {key: value for key, value in failure.items() if key != "retry"}
    job.put("onFailure", rest)
    retry = Taking(_table_of(failure.get("retry", {})), remarks)
    count = int(retry.take_number("maximumRetries") or 0)
    first, most = retry.take_seconds("initialDelay"), retry.take_seconds("maximumDelay")
    factor = retry.take_number("backoffMultiplier")
    retry.remark_rest("retry: ")
    if count == 0:
        return
    if count < 0:
        remarks.append(f"it is retried for ever there; here {MAX_ATTEMPTS} times, and then it fails")
    if factor not in (None, 1.0, 2.0):
        remarks.append(f"the delay grows by the factor {factor:g} there; here it doubles")
    table["retry"] = {
        "attempts": count + 1 if count > 0 else MAX_ATTEMPTS,
        "delay": first or "1s",
        "backoff": "constant" if factor == 1.0 else "exponential",
        "max_delay": most or "5m",
        "jitter": 0,
    }


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _table_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def read_cronstable(names: Sequence[str], kind: str) -> Import:
    """Return the jobs of files or of folders with them. Errors: BadRequest, OSError."""
    if not names:
        raise BadRequest(f"name the file or folder of {kind}, as in 'rae-auto import {kind} /etc/{kind}.d'")
    reader = CronstableReader(kind)
    for path in list_files(names, (".yaml", ".yml"), _KIND):
        reader.read(path)
    remarks = [
        f"a job has the environment of the daemon, in part; {kind} gives all of its own",
        "output is always kept; captureStdout and saveLimit have no meaning here",
        *reader.remarks,
        *reader.reports.remarks,
    ]
    return Import(", ".join(names), reader.entries, tuple(remarks), DEFAULTS, reader.reports.notifiers)
