"""Names of Python functions, "package.module:function", by which a job finds its function again after a restart."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.problems import describe_value

_HINT = 'define it at the top level of a module, or name it as "package.module:function"'


def function_name(function: str | Callable[..., Any]) -> str:
    """Return the name of a function, given as a name or as the function itself. Raises ValueError.

    A job outlives the program that added it, so the function must be one that an import finds: no lambda, no function
    inside another, no method of an object.
    """
    if isinstance(function, str):
        return function
    if not callable(function):
        raise ValueError(f'must be a function or the text "package.module:function", not {describe_value(function)}')
    module, path = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module is None or path is None or "<" in path:
        raise ValueError(f"{quote(path or repr(function)[:64])} can't be found again by a later start; {_HINT}")
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, type) and getattr(owner, "__name__", None) != module:
        raise ValueError(f"{quote(path)} belongs to an object, which a later start doesn't have; {_HINT}")
    return f"{module}:{path}"


# Cached because many jobs call one function.
@lru_cache(maxsize=256)
def is_function_name(text: str) -> bool:
    """Return whether the text has the form "package.module:function"."""
    module, colon, function = text.partition(":")
    parts = (*module.split("."), *function.split("."))
    return bool(colon) and all(part.isidentifier() for part in parts)
