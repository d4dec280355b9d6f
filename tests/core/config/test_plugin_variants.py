"""Plugins whose options depend on one of them."""

from typing import ClassVar

import pytest
from attrs import field, frozen

from rae_auto.api import Plugin, Variants
from rae_auto.api.plugin import Kind
from rae_auto.config.options import build
from rae_auto.config.schema import plugin_schemas
from rae_auto.model.primitives.problems import Invalid
from rae_auto.registry import Registry
from rae_auto.registry.describe import Option, describe


@frozen(kw_only=True)
class Circle(Plugin):
    type: ClassVar[str] = "shape"
    radius: int = field(metadata={"help": "in metres"})
    color: str = "red"
    timezone: str | None = None


@frozen(kw_only=True)
class Square(Plugin):
    type: ClassVar[str] = "shape"
    side: int = 1
    color: str = "red"


@frozen
class Shape(Plugin):
    """Has a shape."""

    type: ClassVar[str] = "shape"

    @classmethod
    def variants(cls) -> Variants:
        return Variants("form", {"circle": Circle, "square": Square}, "the form")


def make_shape(**options: object) -> Plugin:
    return build(Shape, options, timezone="Europe/Berlin", plugins=Registry())


def test_variant_is_chosen_by_its_option() -> None:
    assert make_shape(form="square", side=2) == Square(side=2)


def test_variant_gets_the_time_zone_only_if_it_has_one() -> None:
    assert make_shape(form="circle", radius=1) == Circle(radius=1, timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "form: is missing; set it to one of circle, square"),
        ({"form": "sqare"}, 'form: must be one of circle, square, not the text "sqare"; did you mean "square"?'),
        ({"form": 1}, "form: must be one of circle, square, not the number 1"),
        ({"form": "circle"}, "radius: is missing; add it"),
        (
            {"form": "square", "radius": 1},
            'radius: is not an option of form "square", only of circle; remove it',
        ),
        ({"form": "square", "colour": "blue"}, 'colour: unknown key; did you mean "color"?'),
        ({"form": "square", "side": "x"}, 'side: must be a whole number, not the text "x"'),
    ],
)
def test_variant_refuses_options_of_others(options: dict[str, object], problem: str) -> None:
    with pytest.raises(Invalid) as refusal:
        make_shape(**options)
    assert str(refusal.value) == problem


def test_variant_reports_all_problems_at_once() -> None:
    with pytest.raises(Invalid) as refusal:
        make_shape(form="circle", side=1, radius="x")
    assert [problem.key for problem in refusal.value.problems] == [("side",), ("radius",)]


def test_description_names_the_variants_that_have_an_option() -> None:
    assert describe(Shape).options == (
        Option("form", "one of: circle, square", None, "the form"),
        Option("radius", "number", None, "circle: in metres"),
        Option("color", "text", "red", ""),
        Option("timezone", "text", "none", "circle: "),
        Option("side", "number", "1", "square: "),
    )


def test_schema_has_one_table_for_each_variant() -> None:
    circle, square = plugin_schemas(Shape)
    assert circle["properties"]["form"]["const"] == "circle"
    assert circle["required"] == ["form", "radius"]
    assert "radius" not in square["properties"]
    assert not square["additionalProperties"]


def test_plugin_without_variants_has_one_schema() -> None:
    (schema,) = plugin_schemas(Registry().get(Kind.TRIGGER, "cron"))
    assert "expression" in schema["properties"]
