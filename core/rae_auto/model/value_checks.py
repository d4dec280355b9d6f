"""Checks of values that programs give, by the annotations of what takes them: one clear error that names the place.

A configuration is converted and checked by `config.structure`. Programs construct the values themselves, mostly
rightly, so the success path costs a few comparisons; only after a failure each field is tried by itself, to name all
that are wrong. Libraries that check by annotations (beartype, typeguard, pydantic's validate_call) were looked at:
their errors are about Python's types, and would have to be caught and reworded one by one.

The validators at the end check what no annotation says of single fields of a job.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

import attrs

from rae_auto.errors import BadRequest, InvalidJob
from rae_auto.model.primitives.choices import unknown_choice
from rae_auto.model.primitives.formatting import join_words, quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.problems import Invalid, Problem, describe_value, invalid, raise_if_any

_NAMES: Mapping[Any, str] = {
    str: "text",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    timedelta: "a timedelta",
    datetime: "a datetime with an offset",
    Path: "a path",
}
_ABSTRACT = (Mapping, dict, Sequence, list, tuple, Iterable)
_COMPARISONS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def matches_type(value: object, hint: Any) -> bool:
    """Return whether a value fits an annotation; True for annotations that can't be checked."""
    origin = get_origin(hint)
    if hint is Any or isinstance(hint, str):
        return True
    if origin in (Union, UnionType):
        return any(matches_type(value, kind) for kind in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin in (Mapping, dict) or hint in (Mapping, dict):
        return isinstance(value, Mapping)
    if origin in (Sequence, list, tuple, Iterable):
        return _is_list(value, get_args(hint)[:1], any_iterable=origin is Iterable)
    if hint in (int, float):
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    if hasattr(hint, "__supertype__"):
        return matches_type(value, hint.__supertype__)
    if not isinstance(hint, type) or getattr(hint, "_is_protocol", False):
        return True
    return isinstance(value, hint)


def _is_list(value: object, kinds: Sequence[Any], *, any_iterable: bool) -> bool:
    if not isinstance(value, list | tuple):
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable if any_iterable else Sequence):
            return False
        if not isinstance(value, Sequence):
            # It may be read only once.
            return True
    if not value:
        # As of most calls.
        return True
    classes = {*map(type, value)}
    # The classes alone say it of most lists, of which one may have ten thousand jobs.
    left = [kind for kind in kinds if not classes <= _fitting_classes(kind)]
    return all(matches_type(item, kind) for item in value for kind in left)


def describe_type(hint: Any) -> str:
    """Return an annotation in words: `text`, `a list of texts`, `a Job`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return join_words(dict.fromkeys(describe_type(kind) for kind in arguments if kind is not NoneType), "or")
    if origin in (Mapping, dict) or hint in (Mapping, dict):
        return "a mapping"
    if origin in (Sequence, list, tuple, Iterable):
        items = {str: " of texts", int: " of whole numbers"}
        item = arguments[0] if arguments else Any
        return f"a list{items.get(item) or (f' of {item.__name__}s' if attrs.has(item) else '')}"
    if hasattr(hint, "__supertype__"):
        return describe_type(hint.__supertype__)
    name = str(getattr(hint, "__name__", hint))
    return _NAMES.get(hint) or f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def describe_mismatch(value: object, hint: Any) -> str:
    """Return the message about a value that does not fit an annotation."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"must be {describe_type(hint)}, not a date alone"
    if isinstance(value, list | tuple) and "a list" in describe_type(hint):
        kind = next((args[0] for args in map(get_args, (hint, *get_args(hint))) if args), Any)
        bad = next((item for item in value if not matches_type(item, kind)), value)
        return f"must be {describe_type(hint)}; one is {describe_value(bad)}"
    return f"must be {describe_type(hint)}, not {'None' if value is None else describe_value(value)}"


def name_wrong_values(
    cls: type, *, other_names: Mapping[str, str] = {}, error: Callable[[Any, Invalid], Exception] | None = None
) -> None:
    """Have the constructor of an attrs class name the fields whose values are wrong, all of them in one line.

    `other_names` are names that people give to fields; `error` makes the error that is raised from the fields that were
    given and the problems, instead of the Invalid itself.
    """
    attrs.resolve_types(cls)
    fields = [field for field in attrs.fields(cls) if field.init]
    plain = {f.name: _classes_of(f.type) for f in fields if f.converter is None and f.validator is None}
    # Two more, because it returns a tuple only of several values.
    read_values, classes = attrgetter(*plain, *["__class__"] * 2), (*plain.values(), object, object)
    is_instance: Callable[[Any, Any], bool] = isinstance
    construct = vars(cls)["__init__"]

    @functools.wraps(construct)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it becomes that of the class
        try:
            construct(self, *args, **kwargs)
            # In C, because a scheduler may load ten thousand jobs when it starts.
            if not all(map(is_instance, read_values(self), classes)):
                raise TypeError(f"{cls.__name__}: a value of a wrong type")
        except (TypeError, ValueError, AttributeError) as failure:
            given = {**dict(zip((str(field.alias) for field in fields), args, strict=False)), **kwargs}
            _check_names(cls, given, fields, other_names)
            problems = [problem for field in fields for problem in _find_problems(field, given)]
            if not problems:
                raise
            found = Invalid(problems)
            raise (found if error is None else error(given, found)) from (failure if error is None else found)

    cls.__init__ = __init__  # type: ignore[misc]


def name_wrong_values_of_policy(cls: type, error: type[Exception] = InvalidJob) -> None:
    """Have the constructor of a policy raise this error, which is public, about its wrong values."""
    name_wrong_values(cls, error=lambda _, problems: error(f"{cls.__name__}: {problems}"))


def _classes_of(hint: Any) -> tuple[type, ...]:
    """Return the classes for isinstance that are nearest to an annotation."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return tuple(kind if isinstance(kind, type) else get_origin(kind) or object for kind in kinds)


def _fitting_classes(hint: Any) -> frozenset[type]:
    """Return the classes all of whose instances fit an annotation, as far as they can be listed."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    found = {dict for kind in kinds if Mapping in (kind, get_origin(kind))}
    return frozenset(found | {kind for kind in kinds if isinstance(kind, type) and get_origin(kind) is None})


def _check_names(
    cls: type, given: Mapping[str, Any], fields: Sequence["attrs.Attribute[Any]"], other_names: Mapping[str, str]
) -> None:
    known = [str(field.alias) for field in fields]
    for name in given:
        if name not in known:
            other = other_names.get(name)
            near = f'; did you mean "{other}"?' if other else did_you_mean(name, known)
            raise TypeError(f'{cls.__name__} has no "{name}"{near or "; it has " + ", ".join(known)}') from None


def _find_problems(field: "attrs.Attribute[Any]", given: Mapping[str, Any]) -> Iterable[Problem]:
    """Return the problems of the value that a field was given."""
    alias, name = str(field.alias), field.name.rstrip("_")
    if alias not in given:
        return ()
    value = given[alias]
    try:
        if field.converter is not None:
            assert not isinstance(field.converter, attrs.Converter)
            value = field.converter(value)
        if field.validator is not None:
            field.validator(None, field, value)
    except (TypeError, AttributeError):
        takes = field.metadata.get("takes") or describe_type(field.type)
        return (Problem((name,), f"must be {takes}, not {'None' if value is None else describe_value(value)}"),)
    except ValueError as error:
        if (problems := problems_of(error)) is not None:
            return [p if p.key[:1] == (name,) else Problem((name, *p.key), p.what) for p in problems]
        return (Problem((name,), reword_validator(error).removeprefix(f"{name} ")),)
    return () if matches_type(value, field.type) else (Problem((name,), describe_mismatch(value, field.type)),)


def problems_of(error: BaseException) -> Sequence[Problem] | None:
    """Return the problems of an Invalid, also of one that is the cause of another error; None for all else."""
    for one in (error, error.__cause__):
        if isinstance(one, Invalid):
            return one.problems
    return None


def reword_validator(error: BaseException) -> str:
    """Return the message of an attrs validator without the field, reworded; that of another error unchanged."""
    # attrs adds the attribute and the value to the arguments of some of its errors.
    text, details = str(error.args[0] if error.args else "") or type(error).__name__, error.args[1:]
    named, is_named, what = text.partition("' must ")
    if not (is_named and named.startswith("'")):
        return text
    words = what.split()
    if words[:1] == ["be"] and len(words) >= 4 and words[1] in _COMPARISONS:
        return f"must be {_COMPARISONS[words[1]]} {words[2].rstrip(':')}, not {' '.join(words[3:])}"
    if what.startswith("be in ") and len(details) == 3:
        _, options, value = details
        return unknown_choice(value, [str(option) for option in options])
    if what.startswith("match regex ") and len(details) == 3:
        _, pattern, value = details
        return f"must match the pattern {pattern.pattern}, not {describe_value(value)}"
    return f"must {what}"


C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])


def check_arguments(cls: C) -> C:
    """Have the public methods of a class, and its constructor, refuse arguments of wrong types with a BadRequest.

    A decorator. The message names the method and the argument: `trigger: job must be text, not the number 3`.
    """
    for name, method in vars(cls).copy().items():
        if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_")):
            setattr(cls, name, check_arguments_as(cls.__name__ if name == "__init__" else name)(method))
    return cls


def check_arguments_as(name: str) -> Callable[[F], F]:
    """Have a function refuse arguments of wrong types, all but the first, as `check_arguments` does for a class.

    A decorator. `name` is what the message calls the function.
    """

    def decorate(function: F) -> F:
        _, *checked = inspect.signature(function).parameters.values()
        hints = {
            parameter.name: parameter.annotation
            for parameter in checked
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        }
        return cast("F", _with_check(function, name, hints)) if hints else function

    return decorate


def _with_check(method: Callable[..., Any], name: str, hints: Mapping[str, Any]) -> Callable[..., Any]:
    fitting = {argument: _fitting_classes(hint) for argument, hint in hints.items()}

    def check(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        for argument, value in (*zip(hints, args, strict=False), *kwargs.items()):
            # The class alone says it of most values, which spares the look into the annotation.
            if argument not in hints or type(value) in fitting[argument]:
                continue
            if not matches_type(value, hints[argument]):
                raise BadRequest(f"{name}: {argument} {describe_mismatch(value, hints[argument])}")

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return await method(self, *args, **kwargs)

    else:

        @functools.wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            check(args, kwargs)
            return method(self, *args, **kwargs)

    return call


def check_positive(_: object, attribute: "attrs.Attribute[Any]", value: timedelta | None) -> None:
    """Raise ValueError for a duration of 0 or less."""
    if value is not None and value <= timedelta(0):
        raise ValueError(f'{attribute.name} must be more than 0, as in "1h"')


def check_passed_names(_: object, __: object, names: tuple[str, ...]) -> None:
    """Raise Invalid unless all are names of variables."""
    raise_if_any(
        Problem(("pass_env", index), f"must be the name of a variable, not {describe_value(name)}")
        for index, name in enumerate(names)
        if not isinstance(name, str) or not name or "=" in name or "\0" in name
    )


def check_codes(_: object, __: object, codes: tuple[int, ...]) -> None:
    """Raise Invalid unless there are exit codes, each from 0 to 255."""
    if not codes:
        raise invalid("must not be empty, because no run could succeed; write [0]", "success_codes")
    raise_if_any(
        Problem(("success_codes", index), f"must be an exit code from 0 to 255, not {describe_value(code)}")
        for index, code in enumerate(codes)
        if type(code) is not int or not 0 <= code <= 255
    )


def check_umask(_: object, __: object, umask: str) -> None:
    """Raise Invalid unless it is three octal digits."""
    if not isinstance(umask, str) or re.fullmatch("0?[0-7]{3}", umask) is None:
        raise invalid(f'must be three octal digits as text, as in "022", not {describe_value(umask)}', "umask")


def check_variables(_: object, __: object, env: Mapping[str, str]) -> None:
    """Raise Invalid unless all names and values can be those of an environment."""
    raise_if_any(
        Problem(("env", name), what)
        for name, value in env.items()
        if (what := _find_problem_of_variable(name, value)) is not None
    )


def _find_problem_of_variable(name: str, value: object) -> str | None:
    if not name or "=" in name or "\0" in name:
        return 'invalid name of an environment variable; use at least one character, and no "="'
    return None if isinstance(value, str) else f"must be text, not {describe_value(value)}"


def check_secret_files(_: object, __: object, files: Mapping[str, str]) -> None:
    """Raise Invalid unless each name can be that of a file and a variable, with a text."""
    raise_if_any(
        Problem(("secret_files", name), what)
        for name, value in files.items()
        if (what := _find_problem_of_secret_file(name, value)) is not None
    )


def _find_problem_of_secret_file(name: str, value: object) -> str | None:
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,63}", name) or name.startswith("RAE_"):
        return f"{quote(name)} can't be the variable of a file; use letters, digits and _, as in TOKEN_FILE"
    return None if isinstance(value, str) else f"must be text, not {describe_value(value)}"


def to_words(value: str | Iterable[str]) -> tuple[str, ...]:
    """Return the words of a command; one that is text must be a single word. Raises ValueError."""
    if not isinstance(value, str):
        return tuple(value)
    if len(value.split()) > 1:
        words = ", ".join(map(quote, value.split()))
        raise ValueError(f"command must be a list of words; write [{words}], or use shell for a command line")
    return (value,)


_NO_UNITS: Mapping[str, int] = {}


def to_units(given: str | Iterable[str] | Mapping[str, int]) -> Mapping[str, int]:
    """Return units by resource: a mapping as it is, one unit of each for names."""
    if isinstance(given, Mapping):
        return given or _NO_UNITS
    names = (given,) if isinstance(given, str) else tuple(given)
    if not names:
        return _NO_UNITS
    if len(set(names)) != len(names):
        raise ValueError("resources names a resource twice; write { name = 2 } to take two units")
    return dict.fromkeys(names, 1)


def check_user(_: object, __: object, user: str) -> None:
    """Raise Invalid unless it can be the name of a user."""
    if not isinstance(user, str) or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?", user) is None:
        raise invalid(f'must be the name of a user, as in "backup", not {describe_value(user)}', "user")
