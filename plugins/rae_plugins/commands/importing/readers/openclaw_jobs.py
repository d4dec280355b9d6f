"""Cron jobs of OpenClaw as jobs: `~/.openclaw/cron/jobs.json`, version 1, as its Gateway writes it.

A schedule is of the kind at, every or cron; a payload an agent's turn, an event of the main session, or a command.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rae_plugins.commands.importing.imported import FireTimes, Import, ImportedJob, JobNames, Leftover
from rae_plugins.commands.importing.readers.json_text import read_json_items
from rae_plugins.commands.importing.readers.taking import Taking, format_seconds, shorten
from rae_plugins.commands.importing.source_files import list_files
from rae_plugins.triggers.cron import CronTrigger

_KIND = "the cron jobs of OpenClaw"
_DEFAULT_FILE = "~/.openclaw/cron/jobs.json"
_STATE = ("id", "createdAtMs", "updatedAtMs", "state", "configRevision", "createdBy", "sessionKey")


def read_openclaw_jobs(names: Sequence[str]) -> Import:
    """Return the jobs of files, by default of the user's own. Errors: BadRequest, OSError."""
    chosen = names or (_DEFAULT_FILE,)
    entries: list[ImportedJob | Leftover] = []
    taken = JobNames()
    for path in list_files(chosen, (".json",), _KIND):
        entries += [_read_job(job, taken) for job in read_json_items(path, "jobs", _KIND)]
    remarks = (
        "OpenClaw retries a job that fails at growing intervals; set retry for what may be repeated",
        "its Gateway must be running when a job starts, or the command runs the agent by itself",
    )
    return Import(", ".join(chosen), entries, remarks)


def _read_job(given: Any, taken: JobNames) -> ImportedJob | Leftover:
    if not isinstance(given, dict):
        return Leftover((shorten(given),), "a job is not a table")
    remarks: list[str] = []
    job = Taking(given, remarks)
    name = job.take_text("name") or str(given.get("id", "job"))
    try:
        trigger, times = _read_schedule(job.take_table("schedule"), remarks)
        table = _read_payload(job, remarks)
    except ValueError as error:
        return Leftover((name,), f"{name}: {error}")
    id_ = taken.take(name)
    table = {**({"name": name} if name != id_ else {}), **table, "trigger": trigger}
    if not job.take_flag("enabled", default=True):
        table["enabled"] = False
    if not job.take_flag("deleteAfterRun", default=True):
        remarks.append("deleteAfterRun: false has no meaning here: a job that ran once stays, and starts no more")
    job.forget(_STATE)
    job.remark_rest()
    description = given.get("description")
    comments = (str(description),) if description else ()
    return ImportedJob(id=id_, table=table, comments=comments, remarks=tuple(remarks), times=times)


def _read_schedule(schedule: Taking, remarks: list[str]) -> tuple[dict[str, Any], tuple[FireTimes, ...]]:
    kind = schedule.take_text("kind")
    match kind:
        case "cron":
            expression, zone = schedule.take_text("expr") or "", schedule.take_text("tz")
            options = {"expression": expression, **({"timezone": zone} if zone else {})}
            stagger = schedule.take_number("staggerMs")
            if stagger:
                options["jitter"] = format_seconds(stagger / 1000)
            elif stagger is None and expression.startswith("0 *"):
                options["jitter"] = "5m"
                remarks.append("OpenClaw spreads the starts of a full hour over five minutes; so does the jitter here")
            schedule.remark_rest("schedule: ")
            CronTrigger(**options)
            times = (FireTimes("cron", expression, zone),) if len(expression.split()) == 5 else ()
            return {"type": "cron", **options}, times
        case "every":
            every, anchor = schedule.take_number("everyMs"), schedule.take_number("anchorMs")
            if not every or every < 1000:
                raise ValueError("the interval is missing or shorter than a second")
            since = {} if anchor is None else {"from": datetime.fromtimestamp(anchor / 1000, UTC).isoformat()}
            return {"type": "interval", "every": format_seconds(every / 1000), **since}, ()
        case "at":
            at, milliseconds = schedule.take_text("at"), schedule.take_number("atMs")
            if milliseconds is not None:
                at = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
            instant = datetime.fromisoformat(at or "")
            return {"type": "once", "at": (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()}, ()
    raise ValueError(f"the schedule is of the kind {kind!r}, which is not known")


def _read_payload(job: Taking, remarks: list[str]) -> dict[str, Any]:
    payload, delivery = job.take_table("payload"), job.take_table("delivery")
    agent, target = job.take_text("agentId"), job.take_text("sessionTarget")
    wake = job.take_text("wakeMode") or "now"
    kind = payload.take_text("kind")
    match kind:
        case "systemEvent":
            command = ["openclaw", "system", "event", "--mode", wake, "--text", _need(payload.take_text("text"))]
            table: dict[str, Any] = {"command": command}
        case "agentTurn":
            if target not in (None, "isolated"):
                remarks.append(f"runs in the session {target!r} there; openclaw agent uses that of its agent")
            elif agent is None:
                remarks.append("each run has a session of its own there; openclaw agent uses that of the agent")
            table = _read_turn(payload, delivery, agent or "main")
        case "command":
            table = _read_command(payload)
        case _:
            raise ValueError(f"the payload is of the kind {kind!r}, which is not known")
    payload.remark_rest("payload: ")
    delivery.remark_rest("delivery: ")
    return table


def _read_turn(payload: Taking, delivery: Taking, agent: str) -> dict[str, Any]:
    command = ["openclaw", "agent", "--agent", agent, "--message", _need(payload.take_text("message"))]
    for key, flag in (("model", "--model"), ("thinking", "--thinking")):
        if value := payload.take_text(key):
            command += [flag, value]
    table: dict[str, Any] = {"command": command}
    if seconds := payload.take_number("timeoutSeconds"):
        command += ["--timeout", f"{seconds:g}"]
        # A little more than the agent has, so that its own end comes first.
        table["timeout"] = format_seconds(seconds + 60)
    mode = delivery.take_text("mode")
    if mode == "announce":
        command.append("--deliver")
        for key, flag in (("channel", "--reply-channel"), ("to", "--reply-to"), ("accountId", "--reply-account")):
            if value := delivery.take_text(key):
                command += [flag, value]
    elif mode not in (None, "none"):
        delivery.put("mode", mode)
    return table


def _read_command(payload: Taking) -> dict[str, Any]:
    words = payload.take("argv") or payload.take("command")
    table: dict[str, Any] = (
        {"shell": words} if isinstance(words, str) else {"command": [str(word) for word in words or ()]}
    )
    if not words:
        raise ValueError("the command is empty")
    if folder := payload.take_text("cwd"):
        table["cwd"] = folder
    if seconds := payload.take_number("timeoutSeconds"):
        table["timeout"] = format_seconds(seconds)
    env = payload.take("env", {})
    if isinstance(env, dict) and env:
        table["env"] = {str(name): str(value) for name, value in env.items()}
    return table


def _need(text: str | None) -> str:
    if not text:
        raise ValueError("the prompt is empty")
    return text
