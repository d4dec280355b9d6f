"""Conformance suite of all kinds of plugins."""

from pathlib import Path
from typing import Any

import attrs

from rae_auto.api import Plugin
from rae_auto.config.structure import options_of
from rae_auto.model.primitives.names import NAME
from rae_auto.registry.inspection.structurable_types import can_structure
from rae_auto.toolkit.secrets.masking import MIN_MASKED_CHARACTERS
from rae_auto.toolkit.secrets.secret import find_secrets


class PluginConformance:
    """Base of the suites of all kinds. A subclass has a fixture `plugin` that returns a working plugin."""

    def test_type_is_a_valid_name(self, plugin: Plugin) -> None:
        assert NAME.fullmatch(plugin.type), f'invalid type {plugin.type!r}; use 1 to 64 letters, digits, "-" or "_"'

    def test_class_has_a_docstring(self, plugin: Plugin) -> None:
        own = type(plugin).__dict__.get("__doc__")
        assert own, f"{type(plugin).__name__} needs a docstring, because 'rae-auto plugins show' prints it"

    def test_options_are_attrs_fields_with_help(self, plugin: Plugin) -> None:
        cls: Any = type(plugin)
        assert attrs.has(cls), f"decorate {cls.__name__} with attrs.frozen"
        options = [option for option in attrs.fields(cls) if option.init]
        without_help = [option.name for option in options if not option.metadata.get("help")]
        assert not without_help, f'options without metadata={{"help": …}}: {", ".join(without_help)}'

    def test_options_have_types_that_a_configuration_can_give(self, plugin: Plugin) -> None:
        cls: Any = type(plugin)
        if not attrs.has(cls):
            return
        for option in options_of(cls).values():
            assert option.type is not None, f'option "{option.name}" has no type; write "{option.name}: int = …"'
            assert can_structure(option.type), (
                f'no value of a configuration can become the type of option "{option.name}", {option.type}; '
                "use text, numbers, durations, paths, enums, attrs classes, and tuples or mappings of them"
            )

    def test_example_gives_all_required_options_and_no_others(self, plugin: Plugin) -> None:
        example = {**type(plugin).example}
        variants = type(plugin).variants()
        cls: Any = type(plugin) if variants is None else variants.classes.get(example.pop(variants.option, ""))
        options = {(option.alias or option.name).rstrip("_"): option for option in attrs.fields(cls) if option.init}
        if example:
            assert not example.keys() - options, f"example has unknown options: {', '.join(example.keys() - options)}"
            missing = [name for name, option in options.items() if option.default is attrs.NOTHING]
            assert set(missing) <= example.keys(), f"example lacks required options: {', '.join(missing)}"

    def test_available_returns_none_or_one_line(self, plugin: Plugin) -> None:
        reason = type(plugin).available()
        assert reason is None or (reason and "\n" not in reason), (
            f"available() returned {reason!r}; return None or a reason of one line"
        )

    def test_warnings_are_single_lines(self, plugin: Plugin) -> None:
        assert [text for text in plugin.warnings() if not text or "\n" in text] == []

    def test_problems_are_single_lines(self, plugin: Plugin, tmp_path: Path) -> None:
        assert [text for text in plugin.problems(tmp_path) if not text or "\n" in text] == []

    def test_summary_is_one_short_line(self, plugin: Plugin) -> None:
        summary: Any = plugin.summary()
        assert isinstance(summary, str), f"summary() returned {summary!r}; return text"
        assert summary, "summary() returned no text"
        assert "\n" not in summary, f"summary() returned more than one line: {summary!r}"
        assert len(summary) <= 80, f"summary() returned {len(summary)} characters; return at most 80"

    def test_secrets_are_shown_nowhere(self, plugin: Plugin) -> None:
        shown = f"{plugin!r} {plugin.summary()} {plugin.describe()}"
        for name, secret in find_secrets(plugin):
            text = secret.unresolved_text
            is_shown = not secret.has_references and len(text) >= MIN_MASKED_CHARACTERS and text in shown
            assert not is_shown, f'the secret of option "{name}" is in repr(), summary() or describe(); leave it out'

    def test_description_is_part_of_a_sentence(self, plugin: Plugin) -> None:
        text: Any = plugin.describe()
        assert isinstance(text, str), f"describe() returned {text!r}; return text"
        assert text and "\n" not in text and not text.endswith("."), (
            f"describe() returned {text!r}; return a part of a sentence on one line, without a full stop"
        )
