"""Errors of plugins while their options are read: a refusal is the user's, all else is the author's."""

import re

import pytest
from attrs import field, frozen

from rae_auto.api import Notifier
from rae_auto.api.plugin import Kind
from rae_auto.config.options import build, make
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.registry import Registry
from rae_auto.registry.inspection.structurable_types import can_structure


@frozen
class Typed(Notifier):
    """A notifier with an option that no configuration can give."""

    type = "typed"
    names: re.Pattern = field(default=None, metadata={"help": "names"})

    async def notify(self, notice):
        pass


@frozen
class Raising(Typed):
    """A notifier that fails at its own hands."""

    def __attrs_post_init__(self):
        raise KeyError("x")


def test_option_of_an_impossible_type_is_the_authors_fault():
    with pytest.raises(ValueError, match=r"^names: the plugin gives it a type that no value can have .*; report it to"):
        build(Typed, {"names": "a"}, timezone="UTC", plugins=Registry())


def test_error_of_a_constructor_names_its_line():
    with pytest.raises(ValueError, match=r"it raised KeyError.*test_plugin_errors.py:\d+\)"):
        build(Raising, {}, timezone="UTC", plugins=Registry())


@pytest.mark.parametrize(("cls", "can"), [(re.Pattern, False), (tuple[re.Pattern, ...], False), (int, True)])
def test_type_is_one_that_a_configuration_can_give(cls, can):
    assert can_structure(cls) is can


class Installed:
    """Plugins of a distribution."""

    def __init__(self, cls):
        self.cls = cls

    def names(self, kind):
        return [self.cls.type]

    def get(self, kind, name):
        return self.cls

    def provenance(self, kind, name):
        return "rae-planted 1.2"


def raises(cls):
    raise KeyError("x")


@pytest.mark.parametrize(
    ("cls", "hint"),
    [
        (Raising, "raise ValueError with one line for the user where an option is wrong"),
        (type("Unsure", (Typed,), {"available": classmethod(raises)}), "return a reason or None from available"),
    ],
)
def test_error_of_a_plugin_names_its_distribution(cls, hint):
    with pytest.raises(ValueError, match=r"^notifier \"typed\" of rae-planted 1.2: it raised KeyError") as caught:
        make(Kind.NOTIFIER, PluginRef("typed"), Installed(cls), "UTC")
    assert str(caught.value).endswith(f"; for its author: {hint}")


def to_days(value):
    if wrong := [day for day in value if day not in ("mon", "tue")]:
        raise ValueError(f'invalid day "{wrong[0]}"; use names, as in "mon"')
    return tuple(value)


@frozen
class Daily(Typed):
    """A notifier for some days."""

    type = "daily"
    days: tuple[str, ...] = field(default=(), converter=to_days)
    words: tuple[str, ...] = field(default=(), converter=tuple)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"days": ["mon", 1]}, '^days: invalid day "1"; use names, as in "mon"$'),
        ({"words": [1]}, r'^words\[0\]: must be text, not the number 1; write "1"$'),
        ({"days": [True]}, r"^days\[0\]: must be text, not true$"),
    ],
)
def test_a_number_gets_the_advice_that_its_text_would_get(options, advice):
    with pytest.raises(ValueError, match=advice):
        build(Daily, options, timezone="UTC", plugins=Registry())
