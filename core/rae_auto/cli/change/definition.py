"""The definition of a job from the options of `rae-auto add`."""

import os
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rae_auto.model.primitives.formatting import quote

_SCHEDULES = {"schedule": ("cron", "expression"), "every": ("interval", "every"), "at": ("once", "at")}
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
        definition["guards"] = [_plugin("--guard", text) for text in options["guards"]]
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
    triggers: list[dict[str, Any]] = [
        {"type": kind, "options": {option: options[name]}}
        for name, (kind, option) in _SCHEDULES.items()
        if options[name]
    ]
    if zone:
        triggers[0]["options"]["timezone"] = zone
    if options["paths"]:
        triggers.append({"type": "file", "options": {"paths": [_absolute(path) for path in options["paths"]]}})
    return [*triggers, *(_plugin("--trigger", text) for text in options["triggers"])]


def _plugin(option: str, text: str) -> dict[str, Any]:
    """Return a plugin that is written as `load below=2`, or as a table of TOML: `{ type = "load", below = 2 }`."""
    if text.lstrip().startswith("{"):
        try:
            table = tomllib.loads(f"table = {text}")["table"]
        except tomllib.TOMLDecodeError as error:
            raise _refusal(option, f"is not a valid table of TOML ({error})") from None
        kind = table.pop("type", None)
        if kind is None:
            raise _refusal(option, "needs a type, as in '{ type = \"load\", below = 2 }'")
        return {"type": kind, "options": table}
    try:
        kind, *words = shlex.split(text)
    except ValueError:
        raise _refusal(option, "must be a type and KEY=VALUE pairs; for example 'load below=2'") from None
    pairs = []
    for word in words:
        key, is_pair, value = word.partition("=")
        if not is_pair or not key:
            raise _refusal(
                option, f"takes a type and KEY=VALUE pairs, as in 'load below=2'; {quote(word)} is not a pair"
            )
        pairs.append((key, _value(value)))
    return {"type": kind, "options": dict(pairs)}


def _refusal(option: str, problem: str) -> click.UsageError:
    return click.UsageError(f"{option} {problem}")


def _value(text: str) -> Any:
    """Return a value of TOML; what is not one is a text, so that texts need no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _absolute(path: str) -> str:
    return os.path.abspath(Path(path).expanduser())  # noqa: PTH100 - links are kept, as typed
