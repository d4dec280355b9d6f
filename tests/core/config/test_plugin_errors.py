"""Errors of plugins while their options are read: a refusal is the user's, all else is the author's."""

import re

import pytest
from attrs import field, frozen

from rae_auto.api import Notifier
from rae_auto.config.options import build
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
