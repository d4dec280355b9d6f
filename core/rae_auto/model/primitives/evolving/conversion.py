"""Frozen values of documents, made by the fields that differ from their defaults.

A job has fifty fields, of which most documents have four. A function that cattrs makes looks for each of them, and a
constructor converts and checks each default again, so that ten thousand jobs took twice as long at a start. Here a
value is a copy of one with all defaults, in which the fields of the document are set, converted and checked. How a
field becomes a value, and what is wrong with a document that is refused, is still for cattrs to say.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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
        for name in document:
            if (reader := readers.get(name)) is None:
                continue
            content = document[name]
            if reader.structure is not None:
                content = reader.structure(content, reader.type)
            if reader.convert is not None:
                content = reader.convert(content)
            reader.set(value, content)
            if reader.validate is not None:
                validated.append((reader, content))
        if not required <= document.keys():
            raise ValueError("a field is missing")
        for reader, content in validated:
            assert reader.validate is not None
            reader.validate(value, reader.attribute, content)
        if finish is not None:
            finish(value)
        return value

    def load_or_explain(document: Any, _: Any) -> Any:
        try:
            return load(document)
        except Exception:  # whatever is wrong with it, the other one says
            return make_explaining()(document, cls)

    return load_or_explain


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
    return _FieldReader(structure, field.type, convert, set_, field.validator, field)
