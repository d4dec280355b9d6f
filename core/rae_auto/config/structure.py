"""Conversion of plain values to typed ones: strict, without coercion, and with all problems at once.

cattrs chooses the hook for a type. The hooks are our own, because the default ones turn the text "abc" into a list of
letters and the text "3" into a number. A field with a converter gets the value as written, unless its type already
determines the conversion (a list, a table, an enumeration).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache, partial
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import StructureHandlerNotFoundError

from rae_auto.api.plugin import Plugin, Variants
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger, Trigger
from rae_auto.config.hints.plugin_errors import find_problem
from rae_auto.config.hints.shape_hints import LISTS, TABLES, describe_shape
from rae_auto.config.hints.synonyms import (
    KEY_SYNONYMS,
    describe_missing_type,
    describe_other_key,
    describe_other_trigger,
)
from rae_auto.config.scalars import SCALAR_NAMES, SCALARS
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.primitives.choices import choose, unknown_choice
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.formatting import join_words
from rae_auto.model.primitives.json_values import freeze_value
from rae_auto.model.primitives.names import did_you_mean, find_name_problem
from rae_auto.model.primitives.problems import Invalid, Key, Problem, ProblemCollector, describe_value, invalid
from rae_auto.model.primitives.units import SignedDuration, Size
from rae_auto.model.value_checks import problems_of, reword_validator
from rae_auto.toolkit.secrets import Secret, SecretText
from rae_auto.toolkit.threads.time_limit import call_within_limit

T = TypeVar("T")

_MAX_LISTED_KEYS = 20
_MAX_ALIKE_KEYS, _MIN_LIKENESS = 3, 0.5
"""Keys that a message lists."""

TriggerMaker = Callable[[TriggerRef], object]
"""Creates the trigger of a reference; raises Invalid. Hashable, and equal if it creates the same triggers."""


def structure(value: object, cls: type[T], *, short_plugins: bool = False, maker: TriggerMaker | None = None) -> T:
    """Convert a plain value to `cls`. Raises Invalid with all problems.

    With `short_plugins` a plugin is a name, or a table with its type among its options, as people write it;
    otherwise it has the form of stored documents. `maker` creates triggers that are options of others.
    """
    result: T = _converter(short_plugins, maker).structure(value, cls)
    return result


def structure_valid_part(value: Mapping[str, Any], cls: type[T], findings: ProblemCollector) -> T:
    """Convert a table with short plugins, without the values that have problems; those go to `findings`."""
    while True:
        try:
            return structure(value, cls, short_plugins=True)
        except Invalid as error:
            findings.problems.extend(error.problems)
            for problem in error.problems:
                value = _without(value, problem.key)


def _without(table: Mapping[str, Any], key: Key) -> dict[str, Any]:
    """Return a table without the value at a key, or without the innermost table or list around a missing one."""
    name, inner = str(key[0]), table.get(str(key[0]))
    if len(key) > 1 and isinstance(inner, dict) and key[1] in inner:
        return {**table, name: _without(inner, key[1:])}
    return {other: value for other, value in table.items() if other != name}


def options_of(cls: type) -> dict[str, "attrs.Attribute[Any]"]:
    """Return the fields of an attrs class by the names in a configuration: `from` for `from_`."""
    attrs.resolve_types(cls)
    return {(field.alias or field.name).rstrip("_"): field for field in attrs.fields(cls) if field.init}


def variant_of(cls: type, options: Mapping[str, Any]) -> type:
    """Return the class that the options of a plugin choose: a variant, or `cls` itself if there is none."""
    variants = variants_of(cls)
    word = options.get(variants.option) if variants is not None else None
    return variants.classes.get(word, cls) if variants is not None and isinstance(word, str) else cls


def variants_of(cls: type) -> Variants | None:
    """Return the variants of a plugin class, or None."""
    return cls.variants() if issubclass(cls, Plugin) else None


def renamed_key(name: str, fields: Iterable["attrs.Attribute[Any]"]) -> str | None:
    """Return the message for a former name of a field, or None. A field has it in its metadata as `former`."""
    for field in fields:
        if field.metadata.get("former") == name:
            return f'was renamed; write "{field.alias or field.name}"'
    return None


def unknown_key(name: str, known: Iterable[str]) -> str:
    """Return the message for an unknown key, with the nearest known one."""
    known = sorted(known)
    if (hint := describe_other_key(name, known)) is not None:
        return f"unknown key; {hint}"
    if near := did_you_mean(name, known, KEY_SYNONYMS):
        return f"unknown key{near}"
    if not known:
        return "unknown key; remove it, because there are no options here"
    if len(known) <= _MAX_LISTED_KEYS:
        return f"unknown key; valid keys: {', '.join(known)}"
    from difflib import get_close_matches  # lazy: memory, asked for rarely

    alike = get_close_matches(name, known, _MAX_ALIKE_KEYS, _MIN_LIKENESS)
    beginning = f"did you mean {join_words(map(quote_short, alike), 'or')}? " if alike else ""
    return f"unknown key; {beginning}docs/reference/configuration.md has all {len(known)}"


@lru_cache(maxsize=4)
def _converter(short_plugins: bool, maker: TriggerMaker | None = None) -> Converter:
    converter = Converter()
    for kind, hook in SCALARS.items():
        converter.register_structure_hook(kind, _unless_enum(hook))
    converter.register_structure_hook(Enum, _enum)
    converter.register_structure_hook_func(_is_literal, _literal)

    def factory(predicate: Callable[[Any], bool], hook: Callable[[Converter, Any, Any], Any]) -> None:
        converter.register_structure_hook_func(predicate, lambda value, cls: hook(converter, value, cls))

    factory(is_union, _union)
    if maker is not None:
        # Registered after the hook for unions, because the last matching hook is used.
        for shape in (Trigger, ScheduleTrigger, SourceTrigger):
            converter.register_structure_hook_func(_is(shape), partial(_inner_trigger, maker))
    factory(lambda cls: get_origin(cls) in LISTS, _list)
    factory(lambda cls: get_origin(cls) in TABLES, _mapping)
    factory(attrs.has, _table)
    if short_plugins:
        converter.register_structure_hook_func(_is(PluginRef), lambda value, _: PluginRef(*_short_plugin(value)))
        converter.register_structure_hook_func(_is(TriggerRef), _short_trigger)
        converter.register_structure_hook_func(_is(GuardRef), _short_guard)
    return converter


def _is(kind: object) -> Callable[[object], bool]:
    # Generic types and unions are equal but not identical.
    return lambda cls: cls is kind or cls == kind


def _is_literal(cls: Any) -> bool:
    return get_origin(cls) is Literal


def _is_enum(cls: object) -> bool:
    return isinstance(cls, type) and issubclass(cls, Enum)


def _unless_enum(hook: Callable[[object], Any]) -> Callable[[object, Any], Any]:
    # cattrs finds the hook of a class by its bases, and a StrEnum is a str.
    return lambda value, cls: _enum(value, cls) if _is_enum(cls) else hook(value)


def _enum(value: object, cls: type[Enum]) -> Enum:
    return choose(value, cls)


def _literal(value: object, cls: object) -> object:
    if value in (allowed := get_args(cls)) and not isinstance(value, bool):
        return value
    raise invalid(unknown_choice(value, [str(item) for item in allowed]))


def _union(converter: Converter, value: object, cls: Any) -> object:
    """Convert to the first alternative that accepts the value.

    Raises the error of the last one, or of one that accepts the shape of the value, but not what is in it.
    """
    kinds = get_args(cls)
    if value is None and NoneType in kinds:
        return None
    names = [SCALAR_NAMES.get(kind) for kind in kinds if kind is not NoneType]
    failure: ValueError = invalid("must not be empty")
    for kind in kinds:
        if kind is not NoneType:
            try:
                return converter.structure(value, kind)
            except ValueError as error:
                failure = failure if _is_inside(failure) else error
    if all(names):
        raise invalid(f"must be {join_words(filter(None, names), 'or')}, not {describe_value(value)}")
    raise failure


def _is_inside(error: ValueError) -> bool:
    """Return whether an error is about what is in a list or table, and not about the value itself."""
    return isinstance(error, Invalid) and any(problem.key for problem in error.problems)


def _list(converter: Converter, value: object, cls: Any) -> object:
    if not isinstance(value, list | tuple):
        raise invalid(f"must be a list, not {describe_value(value)}")
    findings, items, kind = ProblemCollector(), [], get_args(cls)[0]
    for index, item in enumerate(value):
        with findings.within(index):
            items.append(call_plugin(converter.structure, item, kind))
    findings.raise_if_any()
    return items if get_origin(cls) is list else tuple(items)


def _mapping(converter: Converter, value: object, cls: Any) -> dict[str, object]:
    if not isinstance(value, dict):
        raise invalid(f"must be a table, not {describe_value(value)}")
    findings, items, (key, kind) = ProblemCollector(), {}, get_args(cls)
    if key not in (str, Any):
        raise StructureHandlerNotFoundError("the keys of a table are text", cls)
    for name, item in value.items():
        with findings.within(name):
            items[name] = call_plugin(converter.structure, item, kind)
    findings.raise_if_any()
    return items


def _table(converter: Converter, value: object, cls: Any) -> object:
    if not isinstance(value, dict):
        raise invalid(f"must be a table, not {describe_value(value)}")
    if (variants := variants_of(cls)) is not None:
        return _variant(converter, value, variants)
    fields, findings, given = options_of(cls), ProblemCollector(), {}
    for name, item in value.items():
        with findings.within(name):
            if name not in fields:
                raise invalid(renamed_key(name, fields.values()) or unknown_key(name, fields))
            given[name] = _field(converter, item, fields[name])
    missing = [name for name, field in fields.items() if field.default is attrs.NOTHING and name not in given]
    findings.problems.extend(Problem((name,), "is missing; add it") for name in missing if name not in value)
    made = _construct(cls, given, fields, findings.problems) if not missing else None
    if missing:
        findings.problems.extend(_find_refused_values(given, fields))
    findings.raise_if_any()
    return made


def _variant(converter: Converter, value: Mapping[str, Any], variants: Variants) -> object:
    """Convert a table to the variant that it chooses. An option of other variants is a problem that names them."""
    words = list(variants.classes)
    if variants.option not in value:
        raise invalid(f"is missing; set it to one of {', '.join(words)}", variants.option)
    word = value[variants.option]
    if not isinstance(word, str) or word not in variants.classes:
        raise invalid(unknown_choice(word, words), variants.option)
    cls, findings = variants.classes[word], ProblemCollector()
    options = {name: item for name, item in value.items() if name != variants.option}
    own = options_of(cls)
    for name in [name for name in options if name not in own]:
        if takers := [other for other in words if name in options_of(variants.classes[other])]:
            del options[name]
            what = f'is not an option of {variants.option} "{word}", only of {", ".join(takers)}; remove it'
            findings.problems.append(Problem((name,), what))
    with findings.within():
        made = converter.structure(options, cls)
    findings.raise_if_any()
    return made


def _field(converter: Converter, value: object, field: "attrs.Attribute[Any]") -> object:
    try:
        if field.converter is None or _type_determines_conversion(field.type):
            return call_plugin(converter.structure, value, field.type or Any)
        if not isinstance(field.converter, attrs.Converter):
            call_plugin(field.converter, value)
    except Invalid as error:
        if (refused := _refused_as_text(converter, value, field)) is not None:
            raise refused from None
        if "list_hint" in field.metadata and isinstance(value, list):
            raise invalid(f"{error}; {field.metadata['list_hint']}") from None
        if not isinstance(value, list | dict):
            hint = field.metadata.get("hint")
            hint = hint or describe_shape(converter.structure, value, field.type)
            if hint:
                text = str(error)
                if hint.startswith("write a number"):
                    text = text.replace("must be a table", "must be a number or a table")
                raise invalid(f"{text}; {_hint_for(value, hint)}") from None
        raise
    return value


def _refused_as_text(converter: Converter, value: object, field: "attrs.Attribute[Any]") -> Invalid | None:
    """Return why a list with numbers would be refused as texts too, so that to write them as texts is no advice."""
    if not isinstance(value, list) or not callable(field.converter) or not any(map(_is_number, value)):
        return None
    texts = [str(item) if _is_number(item) else item for item in value]
    try:
        call_plugin(field.converter, call_plugin(converter.structure, texts, field.type or Any))
    except Invalid as error:
        return None if _is_inside(error) else error
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _hint_for(value: object, hint: str) -> str:
    """Return the hint; one that shows a list of one text shows it with the value, and one for a number the number."""
    if not isinstance(value, str):
        return hint
    if value.isdecimal() and hint.startswith("write a number"):
        return f"write it without quotes: {value}"
    return re.sub(r'^write \["[^"]*"\]', lambda _: f"write [{quote_short(value)}]", hint)


def _type_determines_conversion(cls: Any) -> bool:
    """Return whether the type needs no converter."""
    kinds = [kind for kind in get_args(cls) if kind is not NoneType] if is_union(cls) else [cls]
    return any(
        kind in (bool, SignedDuration, Size, Secret, SecretText)
        or get_origin(kind) in (*LISTS, *TABLES)
        or _is_enum(kind)
        or attrs.has(kind)
        for kind in kinds
    )


def is_union(cls: object) -> bool:
    return get_origin(cls) in (Union, UnionType)


def call_plugin(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a plugin's function. Raises Invalid for any error."""
    try:
        return call_within_limit(function, *arguments)
    except Invalid:
        raise
    except (Exception, SystemExit) as error:
        raise Invalid((find_problem(error),)) from None


def _construct(
    cls: Any, given: dict[str, object], fields: Mapping[str, "attrs.Attribute[Any]"], problems: list[Problem]
) -> object:
    """Construct an instance. A value that a validator refuses is dropped, so that all problems are attributed.

    A problem without a field is kept only if there is no other, because it may be a consequence of the others.
    """
    while True:
        try:
            made = call_within_limit(cls, **{str(fields[name].alias): value for name, value in given.items()})
            return _freeze_options(made) if isinstance(made, Plugin) else made
        except (Exception, SystemExit) as error:
            attributed = _attributed(error, fields)
            problems.extend(problem for problem in attributed if problem.key or not problems)
            name = str(attributed[0].key[0]) if attributed[0].key else ""
            if name not in given or fields[name].default is attrs.NOTHING:
                rest = {other: value for other, value in given.items() if other != name}
                problems.extend(_find_refused_values(rest, fields))
                return None
            del given[name]


def _find_refused_values(
    given: Mapping[str, object], fields: Mapping[str, "attrs.Attribute[Any]"]
) -> Iterator[Problem]:
    """Yield a problem for each value that the validator of its field refuses, where no instance can be constructed."""
    for name, value in given.items():
        field = fields[name]
        try:
            if field.validator is not None:
                converts = field.converter is not None and not isinstance(field.converter, attrs.Converter)
                converted = call_plugin(field.converter, value) if converts else value  # type: ignore[arg-type]
                call_within_limit(field.validator, None, field, converted)
        except (Exception, SystemExit) as error:
            # A validator may need the instance that isn't there, so only what names its field counts.
            yield from (problem for problem in _attributed(error, fields) if problem.key[:1] == (name,))


def _freeze_options(plugin: Plugin) -> Plugin:
    """Make the lists and tables among the options of a frozen plugin hashable, so that equal ones are shared."""
    cls: Any = type(plugin)
    # What attrs sets for a frozen class; there is no public question for it.
    if attrs.has(cls) and cls.__setattr__.__name__ == "_frozen_setattrs":
        for field in attrs.fields(cls):
            value = getattr(plugin, field.name, None)
            if field.init and (frozen := freeze_value(value)) is not value:
                object.__setattr__(plugin, field.name, frozen)
    return plugin


def _attributed(error: BaseException, fields: Mapping[str, object]) -> Sequence[Problem]:
    """Return the problems of a constructor's error, at the field that attrs names in its message."""
    if (problems := problems_of(error)) is not None:
        return problems
    problem = find_problem(error)
    named = re.match(r"'(\w+)' (?=must )", problem.what)
    if named is None or (name := named[1].rstrip("_")) not in fields:
        return (problem,)
    return (Problem((name,), reword_validator(error)),)


def _short_plugin(value: object) -> tuple[str, dict[str, Any]]:
    """Return type and options of a plugin in its short form."""
    if isinstance(value, str):
        value = {"type": value}
    if not isinstance(value, dict):
        raise invalid(f"must be the name of a plugin, or a table with type and options, not {describe_value(value)}")
    if "type" not in value:
        raise invalid("is missing; name the plugin", "type")
    kind = value["type"]
    if not isinstance(kind, str):
        raise invalid(f"must be text, not {describe_value(kind)}", "type")
    return kind, {name: option for name, option in value.items() if name != "type"}


def _short_trigger(value: object, _: object) -> TriggerRef:
    if isinstance(value, str) and find_name_problem("", value) and (hint := describe_other_trigger(value)):
        raise invalid(f"{quote_short(value)} names no trigger; {hint}")
    if isinstance(value, dict) and "type" not in value:
        raise invalid(f"is missing; {describe_missing_type(value)}", "type")
    return TriggerRef(*_short_with_id(value))


def _inner_trigger(maker: TriggerMaker, value: object, shape: Any) -> object:
    made = maker(_short_trigger(value, None))
    if not isinstance(made, shape):
        kind = (
            "schedule (a trigger that computes instants)" if shape is ScheduleTrigger else "source (one that watches)"
        )
        raise invalid(f"must be a {kind}; choose another trigger")
    return made


def _short_guard(value: object, _: object) -> GuardRef:
    return GuardRef(*_short_with_id(value))


def _short_with_id(value: object) -> tuple[str, dict[str, Any], str]:
    kind, options = _short_plugin(value)
    own = options.pop("id", "")
    if not isinstance(own, str):
        raise invalid(f"must be text, not {describe_value(own)}", "id")
    return kind, options, own
