"""Quick constructors and changed copies of frozen values with slots, for those that each run makes several of.

The constructor of a frozen class of attrs sets each field by a call, and `attrs.evolve` calls it with all fields by
name. Here a value is filled while it is an instance of a twin of its class, which has the same slots and isn't frozen;
then it becomes one of its class. So each field costs an assignment: a copy of a run with its thirty fields takes a
twentieth of the time, and a new value of five fields half of it. The functions that do it are made once for each class,
when they are first needed, as attrs makes constructors. There is nothing to check or to convert in a copy of a checked
value but what is changed, and the engine changes it by values of the model.

Python allows an object to change its class if both have the same slots and none is for weak references: such a class is
declared with `weakref_slot=False`. Values of other classes are copied slot after slot, in half of the time of a
constructor.
"""

from collections.abc import Callable, Iterable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from attrs import NOTHING, Attribute, Factory, fields

P = ParamSpec("P")
T = TypeVar("T")

Copier = Callable[..., Any]
Setters = dict[str, Callable[[Any, Any], None]]

_KEEP: Any = object()
"""The default of a field of a copy: the content that the value has."""

_set_class: Callable[[Any, type], None] = object.__dict__["__class__"].__set__
"""Sets the class of an object, also of one that is frozen."""


def evolve_slots(value: T, /, **changes: Any) -> T:
    """Return a copy of a value with other values in some fields; unlike `attrs.evolve` it runs no validator.

    The value is of a frozen attrs class with slots. Raises TypeError for a field that the class doesn't have.
    """
    cls: Any = type(value)
    copy: T = copier_of(cls)(value, **changes)
    return copy


@cache
def copier_of(cls: Any, *changed: str) -> Copier:
    """Return `evolve_slots` for the values of one class, in half of its time; of some fields alone in less."""
    # Its own names end in a line, as no field does.
    contents = {name: f"value_.{name}" for name in _names_of(cls)}
    names = changed or tuple(contents)
    choices = {name: f"value_.{name} if {name} is keep_ else {name}" for name in names}
    return _make_copier(cls, contents | choices, names)


@cache
def renamer_of(cls: Any, *names: str) -> Callable[[Any, str], Any]:
    """Return what copies a value of a class with a name, which these fields of the copy get."""
    contents = {name: f"value_.{name}" for name in _names_of(cls)}
    return _make_copier(cls, contents | dict.fromkeys(names, "name_"), ["name_"])


@cache
def copying_tools(cls: Any) -> tuple[Copier, Setters]:
    """Return what copies a value of a class, and by name what sets each of its fields. Raises AttributeError."""
    return _make_copier(cls, {name: f"value_.{name}" for name in _names_of(cls)}, ()), _setters_of(cls)


def quick_init(cls: type[T]) -> type[T]:
    """Give a class of attrs a constructor that takes less time; it is made when the first value is.

    It sets fields without what the class does when they are set later, such as a note in an undo log. Its fields have
    neither validators nor converters, and it is declared with `weakref_slot=False`.
    """
    made_by_attrs = cls.__init__

    @wraps(made_by_attrs)
    def make_and_init(self: Any, *args: Any, **kwargs: Any) -> None:
        init = wraps(made_by_attrs)(_make_init(cls))
        cls.__init__ = init  # type: ignore[method-assign]
        init(self, *args, **kwargs)

    cls.__init__ = make_and_init  # type: ignore[method-assign]
    return cls


def maker_of(cls: Callable[P, T]) -> Callable[P, T]:
    """Return the constructor of a class with `quick_init` as a function, in half of its time.

    Python calls a class by way of C and its constructor by way of a search for it, but a function directly.
    """
    made: Callable[P, T] = _make_maker(cls)
    return made


@cache
def _setters_of(cls: Any) -> Setters:
    return {name: getattr(cls, name).__set__ for name in _names_of(cls)}


def _names_of(cls: Any) -> list[str]:
    return [attribute.name for attribute in fields(cls)]


def _make_copier(cls: Any, contents: dict[str, str], parameters: Iterable[str] | None = None) -> Copier:
    """Return a function of a value, and of its fields if none others are given, which returns the copy."""
    names: dict[str, Any] = {"cls_": cls, "new_": object.__new__, "keep_": _KEEP}
    if _has_twin(cls):
        names["twin_"] = _make_twin(cls)
        lines = ["copy_ = new_(twin_)", *(f"copy_.{name} = {content}" for name, content in contents.items())]
        lines.append("copy_.__class__ = cls_")
    else:
        names |= {f"set_{name}_": setter for name, setter in _setters_of(cls).items()}
        lines = ["copy_ = new_(cls_)", *(f"set_{name}_(copy_, {content})" for name, content in contents.items())]
    taken = (f"{name}=keep_" for name in (contents if parameters is None else parameters))
    return _make_function(f"copy_slots({', '.join(('value_', *taken))})", [*lines, "return copy_"], names)


def _make_init(cls: Any) -> Callable[..., None]:
    """Return the constructor of a class."""
    names: dict[str, Any] = {"set_class_": _set_class}
    parameters, lines = _fill(cls, names)
    body = ["set_class_(self_, twin_)", *lines, "self_.__class__ = cls_"]
    return _make_function(f"init({', '.join(['self_', *parameters])})", body, names)


def _make_maker(cls: Any) -> Callable[..., Any]:
    """Return a function that makes a value of a class."""
    names: dict[str, Any] = {"new_": object.__new__}
    parameters, lines = _fill(cls, names)
    body = ["self_ = new_(twin_)", *lines, "self_.__class__ = cls_", "return self_"]
    return _make_function(f"make({', '.join(parameters)})", body, names)


def _fill(cls: Any, names: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the parameters of a constructor, and the lines that fill a value; what they need is added to names."""
    if not _has_twin(cls) or any(one.validator or one.converter or not one.init for one in fields(cls)):
        raise TypeError(f"{cls.__name__} can't have a quick constructor; it has checks, a base or weak references")
    names |= {"cls_": cls, "twin_": _make_twin(cls), "keep_": _KEEP}
    parameters: list[str] = []
    lines: list[str] = []
    by_name_only = False
    for attribute in fields(cls):
        if attribute.kw_only and not by_name_only:
            parameters.append("*")
            by_name_only = True
        default, content = _default_in(names, attribute)
        parameters.append(f"{attribute.alias}{default}")
        lines.append(f"self_.{attribute.name} = {content}")
    return parameters, lines


def _default_in(names: dict[str, Any], attribute: "Attribute[Any]") -> tuple[str, str]:
    """Return how a parameter has the default of its field, and what the field gets; what they need is added to names.

    Raises TypeError for a default that depends on other fields.
    """
    alias, name, default = attribute.alias, f"default_{attribute.name}_", attribute.default
    if default is NOTHING:
        return "", str(alias)
    if not isinstance(default, Factory):  # type: ignore[arg-type]
        names[name] = default
        return f"={name}", str(alias)
    if default.takes_self:  # type: ignore[union-attr]
        raise TypeError(f"the default of {attribute.name} depends on other fields")
    names[name] = default.factory  # type: ignore[union-attr]
    return "=keep_", f"{name}() if {alias} is keep_ else {alias}"


def _make_function(signature: str, lines: Iterable[str], names: dict[str, Any]) -> Callable[..., Any]:
    body = "\n".join(f"    {line}" for line in lines)
    exec(f"def {signature}:\n{body}", names)  # noqa: S102  # made of the names of fields
    made: Callable[..., Any] = names[signature.partition("(")[0]]
    return made


@cache
def _make_twin(cls: Any) -> type:
    """Return a class with the same base and slots whose objects may be changed."""
    # Python's own methods in place of those of a frozen base: both, or it would look for them at each slot.
    body = {"__slots__": cls.__slots__, "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(cls.__name__, cls.__bases__, body)


def _has_twin(cls: Any) -> bool:
    """Return whether an object of a class with the same base and slots can become one of this class."""
    slots = {name for one in cls.__mro__[:-1] for name in getattr(one, "__slots__", ("?",))}
    return len(cls.__bases__) == 1 and slots == set(_names_of(cls))
