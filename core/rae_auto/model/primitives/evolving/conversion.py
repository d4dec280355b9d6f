"""Frozen values of documents and documents of values, made by the fields that differ from their defaults.

A job has fifty fields, of which most documents have four. A function that cattrs makes looks for each of them, and a
constructor converts and checks each default again, so that ten thousand jobs took twice as long at a start. Here a
value is a copy of one with all defaults, in which the fields of the document are set, converted and checked. How a
field becomes a value, and what is wrong with a document that is refused, is still for cattrs to say.

The other way, a run has thirty fields, most of which hold the very object that is their default. To look at that first
spares their comparison, which takes longer than all the rest.
"""

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from attrs import NOTHING, Attribute, Converter, Factory, fields, has, resolve_types
from cattrs import BaseConverter, StructureHandlerNotFoundError

from rae_auto.model.primitives.evolving.slots import copying_tools


def is_convertible(cls: Any) -> bool:
    """Return whether `make_load` takes a class: one of attrs with slots, whose defaults are constant."""
    if not isinstance(cls, type) or not has(cls) or not fields(cls):
        return False
    is_slotted = all(hasattr(getattr(cls, field.name, None), "__set__") for field in fields(cls))
    return is_slotted and all(field.init and not _depends_on_others(field) for field in fields(cls))


def _depends_on_others(field: "Attribute[Any]") -> bool:
    default: Any = field.default
    return getattr(default, "takes_self", False) is True or isinstance(field.converter, Converter)


class _FieldReader(NamedTuple):
    """Functions that make a field of a value from a document, and check it."""

    plain: type | None
    """The class of which a document has values as they are; None if each is made into another one."""
    structure: Callable[[Any, Any], Any] | None
    type: Any
    convert: Callable[[Any], Any] | None
    set: Callable[[Any, Any], None]
    validate: Callable[[Any, Any, Any], Any] | None
    attribute: "Attribute[Any]"


def make_load(
    cls: Any, converter: BaseConverter, make_explaining: Callable[[], Callable[[Any, Any], Any]]
) -> Callable[[Any, Any], Any]:
    """Return a function that makes values of a class of documents in which defaults are left out.

    `make_explaining` returns one that does the same, and raises errors that name what is wrong with a document.
    """
    found = _resolved_fields(cls)
    copy, setters = copying_tools(cls)
    readers = {field.name: _make_reader(field, setters[field.name], converter) for field in found}
    required = {field.name for field in found if field.default is NOTHING}
    finish: Callable[[Any], None] | None = getattr(cls, "__attrs_post_init__", None)
    template: Any = object.__new__(cls)
    for field in found:
        setters[field.name](template, _default_of(field))

    def load(document: Mapping[str, Any]) -> Any:
        value = copy(template)
        validated = []
        for name, content in document.items():
            if (reader := readers.get(name)) is None:
                continue
            plain, structure, kind, convert, set_, validate, attribute = reader
            if structure is not None and type(content) is not plain:
                content = structure(content, kind)
            if convert is not None:
                content = convert(content)
            set_(value, content)
            if validate is not None:
                validated.append((validate, attribute, content))
        if not required <= document.keys():
            raise ValueError("a field is missing")
        for validate, attribute, content in validated:
            validate(value, attribute, content)
        if finish is not None:
            finish(value)
        return value

    def load_or_explain(document: Any, _: Any) -> Any:
        try:
            return load(document)
        except Exception:  # whatever is wrong with it, the other one says
            return make_explaining()(document, cls)

    return load_or_explain


def make_dump(
    cls: Any, converter: BaseConverter, has_own_hook: Callable[[Any], bool]
) -> Callable[[Any], dict[str, Any]]:
    """Return a function that makes documents of the values of a class, in which defaults are left out.

    An optional field holds no None where it differs from its default, so it is dumped as what it is besides; but not
    where its type `has_own_hook`, by which it is loaded too.
    """
    names: dict[str, Any] = {}
    lines = ["def dump(value):", "    document = {}"]
    for field in _resolved_fields(cls):
        name, has_default = field.name, field.default is not NOTHING
        is_never_none = has_default and field.default is None and not has_own_hook(field.type)
        kind = _without_none(field.type) if is_never_none else field.type
        names[f"dump_{name}"], names[f"default_{name}"] = converter.get_unstructure_hook(kind), _default_of(field)
        lines.append(f"    content = value.{name}")
        if has_default:
            # Nothing equals None but itself.
            differs = "" if field.default is None else f" and content != default_{name}"
            lines.append(f"    if content is not default_{name}{differs}:")
        lines.append(f"    {'    ' if has_default else ''}document[{name!r}] = dump_{name}(content)")
    exec("\n".join([*lines, "    return document"]), names)  # noqa: S102  # made of the names of fields
    dump: Callable[[Any], dict[str, Any]] = names["dump"]
    return dump


def _without_none(kind: Any) -> Any:
    """Return the type that an optional one has beside None; any other type as it is."""
    others = [one for one in get_args(kind) if one is not NoneType]
    is_optional = get_origin(kind) in (Union, UnionType) and len(others) == 1
    return others[0] if is_optional else kind


def _resolved_fields(cls: Any) -> "tuple[Attribute[Any], ...]":
    found: tuple[Attribute[Any], ...] = fields(resolve_types(cls))
    return found


def _default_of(field: "Attribute[Any]") -> Any:
    """Return the default of a field as values have it; None where it has none."""
    default: Any = field.default
    if default is NOTHING:
        return None
    given = default.factory() if isinstance(default, Factory) else default  # type: ignore[arg-type]
    convert: Any = field.converter
    return given if convert is None else convert(given)


def _make_reader(field: "Attribute[Any]", set_: Callable[[Any, Any], None], converter: BaseConverter) -> _FieldReader:
    try:
        structure = converter.get_structure_hook(field.type)
    except StructureHandlerNotFoundError:
        if field.converter is None:
            raise
        structure = None
    convert = field.converter
    assert not isinstance(convert, Converter)
    kind = _without_none(field.type)
    # Of a new type of texts, such as the ids of jobs, a document has texts.
    plain = str if getattr(kind, "__supertype__", kind) is str else None
    return _FieldReader(plain, structure, field.type, convert, set_, field.validator, field)
