"""Plugins as options of the command line take them."""

import json
from typing import Any

import click
import pytest

from rae_auto.api.plugin import Kind
from rae_auto.cli.change.plugin_words import parse_plugin
from rae_auto.config.options import make
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.registry import Registry


@pytest.mark.parametrize(
    ("text", "type_", "options"),
    [
        ("power", "power", {}),
        ("power:", "power", {}),
        ("load:below=2", "load", {"below": 2}),
        ("load: below = 2.5", "load", {"below": 2.5}),
        ("load below=2", "load", {"below": 2}),
        ("usage:pattern=idle,for=5m", "usage", {"pattern": "idle", "for": "5m"}),
        ("usage:pattern=idle for=5m", "usage", {"pattern": "idle", "for": "5m"}),
        ("file:paths=/a,paths=/b", "file", {"paths": ["/a", "/b"]}),
        ('file:paths=["/a, b", "/c=d"],settle=true', "file", {"paths": ["/a, b", "/c=d"], "settle": True}),
        ("file:paths=/a,b c", "file", {"paths": ["/a,b c"]}),
        ('x:text="a,b=c",n=-1', "x", {"text": "a,b=c", "n": -1}),
        ('x:text="say \\"b=c\\"",n=1', "x", {"text": 'say "b=c"', "n": 1}),
        ("x:url=http://host:80/?q", "x", {"url": "http://host:80/?q"}),
        ("x:secret=${env:TOKEN},n=1", "x", {"secret": "${env:TOKEN}", "n": 1}),
        ("x:it's=1", "x", None),
        ("x:text=it's,n=1", "x", {"text": "it's", "n": 1}),
        ("x:empty=,n=1", "x", {"empty": "", "n": 1}),
        ('{ type = "load", below = 2 }', "load", {"below": 2}),
        ("combine:any=[{ type = 'job', jobs = ['a'] }, { type = 'manual' }]", "combine",
         {"any": [{"type": "job", "jobs": ["a"]}, {"type": "manual"}]}),
    ],
)  # fmt: skip
def test_plugin_is_read_from_a_word(text: str, type_: str, options: dict[str, Any] | None) -> None:
    if options is None:
        with pytest.raises(click.UsageError, match="is not a pair"):
            parse_plugin("--trigger", text)
    else:
        assert parse_plugin("--trigger", text) == {"type": type_, "options": options}
        json.dumps(options)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be a type and KEY=VALUE pairs"),
        (":below=2", "must be a type and KEY=VALUE pairs"),
        ("file:/inbox", '"/inbox" is not a pair'),
        ("load:below", '"below" is not a pair'),
        ("load:below=[1", 'has a value of "below" that is not valid TOML: [1; close it'),
        ('load:below="1', 'has a value of "below" that is not valid TOML: "1; close it'),
        ("{ below = 2 }", "needs a type"),
    ],
)
def test_word_that_can_not_be_read_is_refused(text: str, problem: str) -> None:
    with pytest.raises(click.UsageError) as error:
        parse_plugin("--guard", text)
    assert str(error.value).startswith("--guard ") and problem in str(error.value)


@pytest.mark.parametrize("text", ["file:paths=/tmp", "interval:every=1h", "system:on=resume", "job:jobs=a,on=failure"])
def test_built_in_triggers_take_a_single_text(text: str) -> None:
    read = parse_plugin("--trigger", text)
    assert make(Kind.TRIGGER, TriggerRef(read["type"], read["options"]), Registry(), "UTC").type == read["type"]
