"""Hints at plugins in distributions that are not installed."""

import tomllib
from pathlib import Path

import pytest

from rae_auto.api.plugin import Kind
from rae_auto.config.hints.other_distributions import describe_other_distribution
from rae_auto.config.options import make
from rae_auto.errors import PluginNotFound
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.registry import Registry

CONTRIB = Path(__file__).resolve().parents[3] / "contrib"


@pytest.mark.parametrize("project", sorted(CONTRIB.glob("rae-*")), ids=lambda path: path.name)
def test_each_plugin_of_contrib_is_known(project: Path) -> None:
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    for kind in Kind:
        for name in table["entry-points"].get(f"rae_auto.{kind}s", {}):
            hint = describe_other_distribution(kind, name)
            assert hint == f"install {table['name']}, which has it: contrib/{project.name}"


def test_unknown_trigger_gets_its_distribution() -> None:
    hint = "; install rae-trigger-sun, which has it: contrib/rae-trigger-sun"
    with pytest.raises(ValueError, match=f'^unknown trigger "sun"{hint}$'):
        make(Kind.TRIGGER, TriggerRef("sun"), Registry([]), "UTC")
    with pytest.raises(PluginNotFound, match=f'^unknown trigger "sun"{hint}$'):
        Registry([]).get(Kind.TRIGGER, "sun")


def test_name_like_that_of_a_distribution_is_suggested() -> None:
    hint = describe_other_distribution(Kind.NOTIFIER, "aprise")
    assert hint == 'did you mean "apprise"? it needs rae-notifier-apprise: contrib/rae-notifier-apprise'
    assert describe_other_distribution(Kind.NOTIFIER, "zzzzzz") is None
