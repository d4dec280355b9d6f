"""Plugins as the command line takes them: `file:paths=/inbox`, `load below=2`, or a table of TOML."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, get_origin

import click

from rae_auto.model.primitives.formatting import quote

_KEY = r"[A-Za-z_][A-Za-z0-9_-]*"
_TYPE = re.compile(r"\s*([^\s:,={}]+)(?:\s*:\s*|\s+|\s*$)")
_PAIR = re.compile(rf"\s*({_KEY})\s*=\s*")
_NEXT_PAIR = re.compile(rf"\s*,\s*(?={_KEY}\s*=)|\s+(?={_KEY}\s*=)|\s*$")
_CLOSING = {"[": "]", "{": "}"}


def parse_plugin(option: str, text: str) -> dict[str, Any]:
    """Return type and options of a plugin, written for an option of the command line.

    `TYPE:KEY=VALUE,KEY=VALUE` or with blanks between the pairs; a key that comes again makes a list. A value is one of
    TOML, such as `5`, `true`, `"a b"`, `[1, 2]`, or else a text, so that texts need no quotes. A comma or a blank ends
    it only where another pair follows. Or a whole table of TOML with a type. Raises UsageError.
    """
    if text.lstrip().startswith("{"):
        return _from_table(option, text)
    match = _TYPE.match(text)
    if match is None:
        raise _refusal(option, f"must be a type and KEY=VALUE pairs, as in 'load:below=2', not {quote(text)}")
    options: dict[str, list[Any]] = {}
    for key, value in _read_pairs(option, text[match.end() :]):
        options.setdefault(key, []).append(value)
    plain = {key: values[0] if len(values) == 1 else values for key, values in options.items()}
    return {"type": match[1], "options": _to_lists(option, match[1], plain) if plain else plain}


def _to_lists(option: str, type_: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with a list of one where the plugin takes nothing but lists: `paths=/inbox`."""
    from rae_auto.api.plugin import Kind  # lazy: start-up
    from rae_auto.config.structure import options_of, variant_of
    from rae_auto.errors import PluginError
    from rae_auto.registry import Registry

    try:
        known = options_of(variant_of(Registry().get(Kind(option.removeprefix("--")), type_), options))
    except PluginError:
        return options  # The daemon reports what is wrong with it.
    lists = {key for key, field in known.items() if get_origin(field.type) in (list, tuple, Sequence)}
    return {key: [value] if key in lists and not isinstance(value, list) else value for key, value in options.items()}


def _from_table(option: str, text: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(f"table = {text}")["table"]
    except tomllib.TOMLDecodeError as error:
        raise _refusal(option, f"is not a valid table of TOML ({error})") from None
    kind = table.pop("type", None)
    if kind is None:
        raise _refusal(option, "needs a type, as in '{ type = \"load\", below = 2 }'")
    return {"type": kind, "options": table}


def _read_pairs(option: str, text: str) -> Iterator[tuple[str, Any]]:
    position = 0
    while text[position:].strip():
        match = _PAIR.match(text, position)
        if match is None:
            word = text[position:].split()[0]
            hint = f"takes a type and KEY=VALUE pairs, as in 'load:below=2'; {quote(word)} is not a pair"
            raise _refusal(option, hint)
        end, following = _find_end(text, match.end())
        yield match[1], _to_value(option, match[1], text[match.end() : end])
        position = following


def _find_end(text: str, start: int) -> tuple[int, int]:
    """Return where a value ends, and where the next pair begins. Quotes and brackets hold what is in them together."""
    waited_for: list[str] = []
    index = start
    while index < len(text):
        character = text[index]
        if waited_for and waited_for[-1] in "\"'":
            if character == "\\" and waited_for[-1] == '"':
                index += 1
            elif character == waited_for[-1]:
                waited_for.pop()
        elif waited_for and character == waited_for[-1]:
            waited_for.pop()
        elif character in _CLOSING and (waited_for or index == start):
            waited_for.append(_CLOSING[character])
        elif character in "\"'" and (waited_for or index == start):
            waited_for.append(character)
        elif not waited_for and (match := _NEXT_PAIR.match(text, index)):
            return index, match.end()
        index += 1
    return len(text), len(text)


def _to_value(option: str, key: str, text: str) -> Any:
    """Return a value of TOML; what is not one is a text. Raises UsageError for one that begins like a value."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if text[:1] in ('"', "'", "[", "{"):
            hint = "close it, or put the whole in single quotes for the shell"
            raise _refusal(option, f"has a value of {quote(key)} that is not valid TOML: {text}; {hint}") from None
        return text


def _refusal(option: str, problem: str) -> click.UsageError:
    return click.UsageError(f"{option} {problem}")
