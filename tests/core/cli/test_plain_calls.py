"""Calls that are understood without click mean what they mean to click, and all others are left to it."""

import random
from collections.abc import Sequence
from typing import Any

import click
import pytest
from tests.core.cli.conftest import Cli

from rae_auto.cli.failures import COMPLETION_VARIABLE
from rae_auto.cli.plain.calls import FORMS, find_call, read_arguments
from rae_auto.cli.program import program

VALUES = ("a", "b-c", "5", "0", "05", "100000", "100001", "²", "", "-", "--", "-5", "x=1", "--limit=5", "-n5", "--help")
SEED, CALLS = 18, 400


def understood_by_click(name: str, words: Sequence[str]) -> dict[str, Any] | None:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    try:
        return dict(command.make_context(name, list(words)).params)
    except (click.ClickException, click.exceptions.Exit):
        return None


@pytest.mark.parametrize("name", FORMS)
def test_plain_call_means_what_click_understands(name: str) -> None:
    form, chance = FORMS[name], random.Random(SEED)
    usual = understood_by_click(name, ())
    assert usual is not None
    plain = 0
    for _ in range(CALLS):
        words = [chance.choice((*form.options, *VALUES)) for _ in range(chance.randrange(5))]
        ours = read_arguments(form, words)
        if ours is None:
            continue
        plain += 1
        # Click hands the headers to a callback of their option.
        expected = {**usual, **{key: value for key, value in ours.items() if key != "headers"}}
        assert understood_by_click(name, words) == expected, words
    assert plain > CALLS / 20


@pytest.mark.parametrize("name", FORMS)
def test_each_word_of_a_form_is_an_option_of_the_command(name: str) -> None:
    command = program.get_command(click.Context(program), name)
    assert command is not None
    known = {word for parameter in command.params for word in parameter.opts}
    assert set(FORMS[name].options) <= known


@pytest.mark.parametrize(
    "words",
    [["--help"], ["-h"], ["status"], ["status", "--json"], ["history", "a", "-n", "5"], ["run", "--paused"], []],
)
def test_frequent_calls_are_plain(words: list[str]) -> None:
    assert find_call(words) is not None


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--help"],
        ["status", "--watch"],
        ["history", "--limit", "0"],
        ["history", "--limit"],
        ["history", "a", "b"],
        ["--no-plugin", "x", "status"],
        ["stop"],
        ["nonsense"],
    ],
)
def test_other_calls_are_left_to_click(words: list[str]) -> None:
    assert find_call(words) is None


def test_completion_is_left_to_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPLETION_VARIABLE, "bash_complete")
    assert find_call(["status"]) is None


def test_errors_of_a_plain_call_are_json_if_that_is_asked_for(offline: Cli) -> None:
    said = offline("status", "--json")
    assert (said.code, said.out) == (3, "")
    assert '"kind": "DaemonUnreachable"' in said.err
