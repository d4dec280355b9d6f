"""The definition of a job from the options of `rae-auto add`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rae_auto.cli.change.plugin_words import parse_plugin

_SCHEDULES = {"schedule": ("cron", "expression"), "every": ("interval", "every"), "at": ("once", "at")}
_EXAMPLES = {"schedule": '--schedule "0 9 * * *"', "every": "--every 5m", "at": '--at "tomorrow 9:00"'}
_PLAIN = ("timeout", "priority", "overlap", "guard_timeout")


def definition_of(
    options: Mapping[str, Any], given: Mapping[str, Any], command: Sequence[str], file: str | None = None
) -> dict[str, Any]:
    """Return the definition of a job: what a file gave, with what the options say instead or in addition.

    Relative paths start from the folder of the file, or without a file from the one where `add` is typed; commands
    start there too, unless something else is said. Errors: UsageError.
    """
    definition = {"directory": os.path.dirname(_absolute(file)) if file else os.getcwd(), **given}  # noqa: PTH109, PTH120
    definition.update({name: options[name] for name in _PLAIN if options[name]})
    definition.update(work_of(options, command))
    if options["retries"] is not None:
        definition["retry_policy"] = {"attempts": options["retries"] + 1}
    if options["env"]:
        definition["env"] = {**definition.get("env", {}), **dict(options["env"])}
    if options["pass_env"]:
        definition["pass_env"] = list(options["pass_env"])
    if options["success_codes"]:
        definition["success_codes"] = list(options["success_codes"])
    if options["fail_on"]:
        definition["fail_on"] = [options["fail_on"]]
    if options["needs"]:
        definition["needs"] = list(options["needs"])
    if options["guards"]:
        definition["guards"] = [parse_plugin("--guard", text) for text in options["guards"]]
    if options["executor"]:
        definition["executor"] = parse_plugin("--executor", options["executor"])
    if triggers := triggers_of(options):
        definition["schedule"] = triggers
    if options["cwd"]:
        definition["cwd"] = _absolute(options["cwd"])
    return definition


def work_of(options: Mapping[str, Any], command: Sequence[str]) -> dict[str, Any]:
    """Return the keys that say what to run; the words of the command are the arguments of a script."""
    work: dict[str, Any] = {"shell": options["shell"]} if options["shell"] else {}
    if options["script"]:
        work["script"] = _absolute(options["script"])
    if command:
        work["args" if options["script"] else "command"] = list(command)
    return work


def triggers_of(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the triggers that the options name. Errors: UsageError."""
    zone = options["tz"]
    if zone and not options["schedule"]:
        raise _refusal("--tz", "is the time zone of --schedule; use both, or write --at with an offset")
    if empty := next((name for name in _SCHEDULES if options[name] is not None and not options[name].strip()), None):
        raise _refusal(f"--{empty}", f"is empty; write {_EXAMPLES[empty]}, or leave it out")
    triggers: list[dict[str, Any]] = [
        {"type": kind, "options": {option: options[name]}}
        for name, (kind, option) in _SCHEDULES.items()
        if options[name]
    ]
    if zone:
        triggers[0]["options"]["timezone"] = zone
    if options["paths"]:
        triggers.append({"type": "file", "options": {"paths": [_absolute(path) for path in options["paths"]]}})
    return [*triggers, *(parse_plugin("--trigger", text) for text in options["triggers"])]


def _refusal(option: str, problem: str) -> click.UsageError:
    return click.UsageError(f"{option} {problem}")


def _absolute(path: str) -> str:
    return os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - links are kept, as typed
