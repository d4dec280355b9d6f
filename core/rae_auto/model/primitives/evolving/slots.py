"""Changed copies of frozen values with slots, for those that are copied several times in each run.

`attrs.evolve` calls the constructor with all fields by name, and that of a frozen class sets each by a call. Here a
copy is filled while it is an instance of a twin of its class, which has the same slots and isn't frozen; then it
becomes one of its class. So each field costs an assignment: a run with its thirty fields takes a tenth of the time. The
function that does it is made once for each class and set of fields, as attrs makes constructors. There is nothing to
check or to convert in a copy of a checked value but what is changed, and the engine changes it by values of the model.

Python allows an object to change its class if both have the same slots and none is for weak references: such a class is
declared with `weakref_slot=False`. Values of other classes are copied slot after slot, in half of the time of a
constructor.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from attrs import fields

T = TypeVar("T")

Copier = Callable[..., Any]
Setters = dict[str, Callable[[Any, Any], None]]

_COPIERS: dict[tuple[Any, ...], Copier] = {}
"""By class and names of changed fields; these are as many as there are places in the code that change values."""


def evolve_slots(value: T, /, **changes: Any) -> T:
    """Return a copy of a value with other values in some fields; unlike `attrs.evolve` it runs no validator.

    The value is of a frozen attrs class with slots. Raises KeyError for a field that the class doesn't have.
    """
    key = (type(value), *changes)
    copier = _COPIERS.get(key)
    if copier is None:
        copier = _COPIERS[key] = _make_copier(type(value), tuple(changes))
    copy: T = copier(value, *changes.values())
    return copy


@cache
def copying_tools(cls: Any) -> tuple[Copier, Setters]:
    """Return what copies a value of a class, and by name what sets each of its fields. Raises AttributeError."""
    return _make_copier(cls, ()), _setters_of(cls)


@cache
def _setters_of(cls: Any) -> Setters:
    return {attribute.name: getattr(cls, attribute.name).__set__ for attribute in fields(cls)}


def _make_copier(cls: Any, changed: tuple[str, ...]) -> Copier:
    """Return a function of a value and the contents of its changed fields, which returns the copy."""
    # Its own names end in a line, as no field does.
    setters = _setters_of(cls)
    unknown = [name for name in changed if name not in setters]
    if unknown:
        raise KeyError(unknown[0])
    contents = {name: name if name in changed else f"value_.{name}" for name in setters}
    names: dict[str, Any] = {"cls_": cls, "new_": object.__new__}
    if _has_twin(cls):
        names["twin_"] = type(cls.__name__, (), {"__slots__": tuple(setters)})
        lines = ["copy_ = new_(twin_)", *(f"copy_.{name} = {content}" for name, content in contents.items())]
        lines.append("copy_.__class__ = cls_")
    else:
        names |= {f"set_{name}_": setter for name, setter in setters.items()}
        lines = ["copy_ = new_(cls_)", *(f"set_{name}_(copy_, {content})" for name, content in contents.items())]
    body = "\n".join(f"    {line}" for line in [*lines, "return copy_"])
    exec(f"def copy_slots({', '.join(('value_', *changed))}):\n{body}", names)  # noqa: S102  # made of names of fields
    copier: Copier = names["copy_slots"]
    return copier


def _has_twin(cls: Any) -> bool:
    """Return whether an object of a class without base, with the same slots, can become one of this class."""
    return cls.__bases__ == (object,) and set(cls.__slots__) == set(_setters_of(cls))
