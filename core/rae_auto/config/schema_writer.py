"""JSON Schemas (draft-07) from attrs classes: types, defaults, help and constraints of validators.

https://json-schema.org/draft-07/json-schema-validation
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import attrs

from rae_auto.config.hints.shape_hints import LISTS, TABLES
from rae_auto.config.structure import is_union, options_of
from rae_auto.model.documents import dump
from rae_auto.model.primitives.choices import words_of
from rae_auto.model.primitives.units import SignedDuration, Size
from rae_auto.model.reasons import ReasonBase
from rae_auto.toolkit.secrets import Secret, SecretText

Schema = dict[str, Any]

_DURATION: Schema = {
    "type": ["string", "number"],
    "description": 'seconds, or text such as "90s", "1h30m"',
    "minimum": 0,
    "pattern": r"^(\d+(\.\d+)?(ms|[smhdwy]))+$",
}
_SIGNED_DURATION: Schema = {
    "type": ["string", "number"],
    "description": 'seconds, or text such as "-6h", "30m"',
    "pattern": r"^[+-]?(\d+(\.\d+)?(ms|[smhdwy]))+$",
}
_SIZE: Schema = {
    "type": ["string", "integer"],
    "description": 'bytes, or text such as "512MB"',
    "minimum": 0,
    "pattern": r"^\d+(\.\d+)?\s*([KMGTkmgt]?[iI]?[bB]?)$",
}
_SECRET: Schema = {
    "type": "string",
    "description": "a reference to a secret, such as ${file:PATH} or ${env:NAME}",
    "pattern": r"\$\{(env|file|credential|keyring|cmd):[^}]+\}",
}
_SECRET_TEXT: Schema = {"type": "string", "description": "text, in which ${file:PATH} or the like stands for a secret"}
_PLAIN: Mapping[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    Path: {"type": "string"},
    timedelta: _DURATION,
    SignedDuration: _SIGNED_DURATION,
    Size: _SIZE,
    Secret: _SECRET,
    SecretText: _SECRET_TEXT,
    datetime: {"type": "string", "format": "date-time"},
    Any: {},
}


class SchemaWriter:
    """Writes schemas of types; classes that are used inside of others go to `definitions`."""

    def __init__(self, known: Mapping[Any, Schema] | None = None) -> None:
        self._known = {**_PLAIN, **(known or {})}
        self.definitions: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type; an unknown type allows anything."""
        if kind in self._known:
            return dict(self._known[kind])
        if supertype := getattr(kind, "__supertype__", None):
            return self.of(supertype)
        origin, arguments = get_origin(kind), get_args(kind)
        if is_union(kind):
            return _any_of([self.of(item) for item in arguments if item is not NoneType])
        if origin in LISTS:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin in TABLES:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if origin is Literal:
            return {"enum": list(arguments)}
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"enum": list(words_of(kind))}
        if isinstance(kind, type) and issubclass(kind, ReasonBase):
            return self._reason_value(kind)
        return self.reference(kind) if attrs.has(kind) else {}

    def reference(self, cls: type) -> Schema:
        """Return a reference to the schema of a class."""
        name = cls.__name__
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.reason(cls) if issubclass(cls, ReasonBase) else self.object(cls)
        return {"$ref": f"#/definitions/{name}"}

    def object(self, cls: type) -> Schema:
        """Return the schema of an attrs class, which allows its fields and nothing else."""
        fields = options_of(cls)
        required = [name for name, field in fields.items() if field.default is attrs.NOTHING]
        return {
            "type": "object",
            "description": _first_paragraph(cls),
            "properties": {name: self._property(field) for name, field in fields.items()},
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _reason_value(self, cls: type[ReasonBase]) -> Schema:
        """Return the schema of a reason in a document, which has the code alone if no fact differs from its default."""
        code: Schema = {"enum": [cls.code]}
        if any(field.default is attrs.NOTHING for field in attrs.fields(cls)):
            return self.reference(cls)
        return {"anyOf": [code, self.reference(cls)]} if attrs.fields(cls) else code

    def reason(self, cls: type[ReasonBase]) -> Schema:
        """Return the schema of a reason with facts, as documents keep it."""
        schema = self.object(cls)
        schema["properties"] = {"code": {"enum": [cls.code]}, **schema["properties"]}
        schema["required"] = ["code", *schema.get("required", [])]
        return schema

    def _property(self, field: "attrs.Attribute[Any]") -> Schema:
        schema = self.of(field.type or Any)
        is_own = "converts_code_only" in field.metadata or _is_secret(field.type)
        converts = field.converter is not None and not is_own
        if converts and schema.get("type") in ("integer", "number", "string"):
            # The converter decides what else it takes.
            schema = {}
        for validator in _validators(field.validator):
            schema |= _constraint(validator)
        more = {}
        if help := field.metadata.get("help"):
            more["description"] = help
        if (default := _default(field)) not in (None, "", [], {}):
            more["default"] = default
        if "$ref" in schema and more:
            # Beside a reference draft-07 ignores everything.
            return {"allOf": [schema], **more}
        return schema | more


def _is_secret(kind: Any) -> bool:
    return any(one in (Secret, SecretText) for one in (kind, *get_args(kind)))


def _any_of(schemas: list[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _validators(validator: Any) -> Iterable[Any]:
    """Yield the single validators of a composed one of attrs."""
    if validator is None:
        return
    if parts := getattr(validator, "_validators", None):
        for part in parts:
            yield from _validators(part)
    elif inner := getattr(validator, "validator", None):
        yield from _validators(inner)
    else:
        yield validator


_BOUNDS = {">=": "minimum", ">": "exclusiveMinimum", "<=": "maximum", "<": "exclusiveMaximum"}


def _constraint(validator: Any) -> Schema:
    """Return the schema's constraint for a validator of attrs, or nothing."""
    if (operator := getattr(validator, "compare_op", None)) in _BOUNDS:
        return {_BOUNDS[operator]: validator.bound}
    if isinstance(pattern := getattr(validator, "pattern", None), re.Pattern):
        return {"pattern": f"^(?:{pattern.pattern})$"}
    if (options := getattr(validator, "options", None)) is not None:
        return {"enum": list(options)}
    return {}


def _default(field: "attrs.Attribute[Any]") -> Any:
    """Return the default as a document has it, or None."""
    default = field.default
    if isinstance(default, attrs.Factory) or default is attrs.NOTHING or default is None:  # type: ignore[arg-type]
        return None
    return None if isinstance(default, SecretText) else dump(default)


def _first_paragraph(cls: type) -> str:
    text = cleandoc(cls.__doc__ or "").split("\n\n")[0]
    return " ".join(text.split())
