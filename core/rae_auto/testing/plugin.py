"""What every plugin promises, of whatever kind."""

from typing import Any

import attrs

from rae_auto.api import Plugin
from rae_auto.model.primitives.names import NAME


class PluginConformance:
    """Base of the suites of all kinds. A subclass has a fixture `plugin` that returns a working one."""

    def test_its_type_is_a_plain_name(self, plugin: Plugin) -> None:
        assert NAME.fullmatch(plugin.type), f"type = {plugin.type!r} must be 1 to 64 letters, digits, '-' or '_'"

    def test_it_says_what_it_is_for(self, plugin: Plugin) -> None:
        own = type(plugin).__dict__.get("__doc__")
        assert own, f"{type(plugin).__name__} needs a docstring: 'rae-auto plugins show' prints it"

    def test_it_is_an_attrs_class_whose_options_are_explained(self, plugin: Plugin) -> None:
        cls: Any = type(plugin)
        assert attrs.has(cls), f"decorate {cls.__name__} with attrs.frozen"
        options = [option for option in attrs.fields(cls) if option.init]
        unexplained = [option.name for option in options if not option.metadata.get("help")]
        assert not unexplained, f'options without metadata={{"help": …}}: {", ".join(unexplained)}'

    def test_it_can_serve_here_or_says_why_not_in_one_line(self, plugin: Plugin) -> None:
        reason = type(plugin).available()
        assert reason is None or (reason and "\n" not in reason), f"available() returned {reason!r}"
