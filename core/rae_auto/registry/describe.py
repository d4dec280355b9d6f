"""Descriptions of plugins and their options, derived from their classes."""

import json
import shlex
import types
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NewType, Union, cast, get_args, get_origin

import attrs
from attrs import frozen

from rae_auto.api.plugin import Kind, Plugin, Variants
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger, Trigger
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.primitives.formatting import join_words
from rae_auto.model.primitives.units import SignedDuration, Size, format_duration, format_size
from rae_auto.registry.containment import is_foreign
from rae_auto.toolkit.secrets import Secret, SecretText
from rae_auto.toolkit.secrets.masking import mask_known_secrets
from rae_auto.toolkit.summaries import MAX_SUMMARY_LENGTH
from rae_auto.toolkit.threads.time_limit import call_within_limit
from rae_auto.toolkit.toml_values import format_toml

_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "true or false",
    timedelta: "duration",
    Size: "size",
    SignedDuration: "duration",
    datetime: "instant",
    Path: "path",
    Secret: "secret",
    SecretText: "text",
    Any: "anything",
    PluginRef: "plugin",
    TriggerRef: "trigger",
    GuardRef: "guard",
    ScheduleTrigger: "trigger",
    SourceTrigger: "trigger",
}


@frozen
class Option:
    """One option; `default` is None where it must be given."""

    name: str
    type: str
    default: str | None
    help: str


@frozen
class Description:
    """The description of a plugin."""

    help: str
    options: tuple[Option, ...]

    def rows(self) -> list[dict[str, str]]:
        """Return the options as JSON objects."""
        return [
            {
                "option": o.name,
                "type": o.type,
                "default": "required" if o.default is None else o.default,
                "help": o.help,
            }
            for o in self.options
        ]


def describe(plugin: type[Plugin]) -> Description:
    """Return the description of a plugin, from its docstring, and its options, from its fields."""
    variants = plugin.variants()
    options = options_in_words(plugin) if variants is None else _variant_options(variants)
    return Description(" ".join((plugin.__doc__ or "").split()), tuple(options))


_PLACES: Mapping[Kind, str] = {
    Kind.TRIGGER: "trigger = {}",
    Kind.GUARD: "guards = [{}]",
    Kind.EXECUTOR: "executor = {}",
    Kind.STORE: "store = {}",
    Kind.LOGGER: "loggers = [{}]",
    Kind.NOTIFIER: "notifiers.NAME = {}",
}
"""Where a configuration names a plugin of each kind."""


def describe_example(kind: Kind, plugin: type[Plugin]) -> str:
    """Return a line that uses the plugin as its `example` does: of a configuration, or of the command line."""
    if kind is Kind.COMMAND:
        return " ".join(["rae-auto", plugin.type, *_to_arguments(plugin)])
    value = {"type": plugin.type, **plugin.example} if plugin.example else plugin.type
    if kind is Kind.NOTIFIER and not plugin.example:
        value = {"type": plugin.type}
    return _PLACES[kind].format(format_toml(value))


def _to_arguments(plugin: type[Plugin]) -> list[str]:
    fields = {(field.alias or field.name).rstrip("_"): field for field in attrs.fields(cast("Any", plugin))}
    words: list[str] = []
    for name, value in plugin.example.items():
        values = value if isinstance(value, list | tuple) else [value]
        flag = [] if fields[name].metadata.get("argument") else [f"--{name.replace('_', '-')}"]
        words += flag if value is True else [word for one in values for word in (*flag, shlex.quote(str(one)))]
    return words


def options_in_words(cls: Any) -> list[Option]:
    """Return the fields of an attrs class as options: of a plugin, or of a table of a configuration."""
    attrs.resolve_types(cls)
    return [
        Option(field.name.rstrip("_"), type_text(field.type), format_default(field), field.metadata.get("help", ""))
        for field in attrs.fields(cls)
        if field.init
    ]


def _variant_options(variants: Variants) -> list[Option]:
    """Return the options of all variants; the help of one that only some have starts with their names."""
    words = list(variants.classes)
    users: dict[Option, list[str]] = {}
    for word, cls in variants.classes.items():
        for option in options_in_words(cls):
            users.setdefault(option, []).append(word)
    chosen = Option(variants.option, f"one of: {', '.join(words)}", None, variants.help)
    named = [
        attrs.evolve(option, help=_variants_having(having, words) + option.help) for option, having in users.items()
    ]
    return [chosen, *named]


def _variants_having(having: Sequence[str], words: Sequence[str]) -> str:
    others = [word for word in words if word not in having]
    if not others:
        return ""
    return f"all but {', '.join(others)}: " if len(others) < len(having) else f"{', '.join(having)}: "


def type_text(kind: Any) -> str:
    """Return a type as the author of a configuration knows it, such as "duration"."""
    if kind == Trigger:
        return "trigger"
    if kind in _WORDS:
        return _WORDS[kind]
    if isinstance(kind, NewType):
        return type_text(kind.__supertype__)
    arguments = [argument for argument in get_args(kind) if argument not in (type(None), Ellipsis)]
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return join_words(dict.fromkeys(type_text(argument) for argument in arguments), "or")
    if origin is Literal:
        return "one of: " + ", ".join(map(str, arguments))
    if origin in (tuple, list, Sequence):
        return f"list of {type_text(arguments[0])}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of: " + ", ".join(map(_word_of, kind))
    return "table"


def _word_of(member: Enum) -> str:
    return member.value if isinstance(member.value, str) else member.name.lower()


def format_default(field: "attrs.Attribute[Any]") -> str | None:
    """Return the default of a field as it is written in a configuration; None if it must be given."""
    value = field.default
    if value is attrs.NOTHING:
        return None
    if isinstance(value, attrs.Factory) or value in ((), {}):  # type: ignore[arg-type]
        return "empty"
    if isinstance(value, PluginRef):
        return value.type
    if isinstance(value, Enum):
        return _word_of(value)
    if isinstance(value, tuple) and value and isinstance(value[0], PluginRef):
        return json.dumps([ref.type for ref in value])
    if attrs.has(type(value)):
        return "see there"
    if isinstance(value, tuple):
        return json.dumps(value)
    if value is None or value == "" or isinstance(value, SecretText):
        return "none"
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return format_size(value) if field.type is Size else str(value)


def summarize_plugin(plugin: Plugin, zone: str = "") -> str:
    """Return a plugin's summary on one line, with a time zone behind it if there is one.

    It is the type if the plugin fails, because a job must not fail to load for a few words.
    """
    try:
        text = " ".join(call_within_limit(plugin.summary).split())
    except BaseException as error:
        if is_foreign(error):
            raise
        return plugin.type
    return mask_known_secrets(f"{text} {zone}".rstrip())[:MAX_SUMMARY_LENGTH]


def to_markdown(kind: Kind, name: str, described: Description, example: str) -> str:
    """Return a plugin in Markdown: its help, an example, and a table of its options."""
    language = "sh" if kind is Kind.COMMAND else "toml"
    lines = [f"# {kind} `{name}`", "", described.help, "", f"```{language}", example, "```"]
    if described.options:
        lines += ["", "| option | type | default | help |", "|---|---|---|---|"]
        lines += [
            "| "
            + " | ".join(text.replace("|", "\\|") for text in (f"`{row['option']}`", *list(row.values())[1:]))
            + " |"
            for row in described.rows()
        ]
    return "\n".join(lines)
