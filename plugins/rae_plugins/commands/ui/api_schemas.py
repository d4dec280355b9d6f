"""JSON Schemas of the values that the JSON API answers with, made from the types of their fields."""

import types
import typing
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import attrs

PLAIN: Mapping[Any, Mapping[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    timedelta: {"type": "number", "description": "seconds"},
    Path: {"type": "string"},
    type(None): {"type": "null"},
}


class SchemaCollector:
    """The schemas of classes, each once, as `components` of the description."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def describe(self, kind: Any) -> dict[str, Any]:
        """Return the schema of a type; classes are collected, and referred to by name."""
        if kind in PLAIN:
            return dict(PLAIN[kind])
        if kind in (object, Any):
            return {}
        if attrs.has(kind):
            self._collect(kind)
            return {"$ref": f"#/components/schemas/{kind.__name__}"}
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"enum": [one.value for one in kind]}
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [self.describe(one) for one in arguments]}
        if origin is tuple and arguments[1:] != (...,):
            return {"type": "array", "prefixItems": [self.describe(one) for one in arguments]}
        if origin in (tuple, list, frozenset, Sequence):
            return {"type": "array", "items": self.describe(arguments[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self.describe(arguments[1])}
        return {}

    def _collect(self, kind: Any) -> None:
        if kind.__name__ in self.schemas:
            return
        self.schemas[kind.__name__] = {}  # Before its fields, which may be of the same class.
        hints = typing.get_type_hints(kind)
        fields = [field.name for field in attrs.fields(kind)]
        self.schemas[kind.__name__] = {
            "type": "object",
            "properties": {name: self.describe(hints[name]) for name in fields},
            "required": fields,
            "additionalProperties": False,
        }
