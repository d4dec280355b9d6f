"""Hints for the authors of plugins, and the line of a failure that they are about."""

import json
from datetime import UTC, datetime
from types import ModuleType

import pytest

from rae_auto.api.plugin import Kind
from rae_auto.model.primitives.formatting import describe_raise
from rae_auto.registry.author_hints import describe_author_hint, find_author_hint
from rae_auto.registry.safe_schedule import ask_schedule


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_hint_for_any_failure(kind: Kind) -> None:
    hint = find_author_hint(kind, "ZeroDivisionError('division by zero') (x.py:3)")
    assert describe_author_hint(kind, "ZeroDivisionError('division by zero')") == f"; for its author: {hint}"
    assert hint


def test_failure_that_says_what_to_change_has_no_hint() -> None:
    assert describe_author_hint(Kind.TRIGGER, "LoopBlocked('…; await asyncio.to_thread(…)')") == ""


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), "return a later instant than the given one, or None"),
        (datetime(2030, 1, 1), "return an aware datetime, in the zone"),
        ("noon", "return an aware datetime or None"),
    ],
)
def test_bad_answer_of_a_schedule_has_a_hint_of_its_own(answer: object, hint: str) -> None:
    class Odd:
        def next_after(self, _: datetime) -> object:
            return answer

    _, problem = ask_schedule(Odd(), datetime(2026, 1, 1, tzinfo=UTC))  # type: ignore[arg-type]
    assert find_author_hint(Kind.TRIGGER, str(problem)).startswith(hint)


def module_of(name: str, source: str, **known: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(known)
    exec(compile(source, f"/site/{name.replace('.', '/')}.py", "exec"), vars(module))
    return module


def test_line_of_a_failure_is_the_last_one_in_the_plugins_package() -> None:
    library = module_of("library", "def parse(text):\n    return 1 / 0\n")
    helper = module_of("rae_odd.helper", "def read(text):\n    return library.parse(text)\n", library=library)
    plugin = module_of(
        "rae_odd", "def next_after():\n    return json.loads('1') and helper.read('x')\n", helper=helper, json=json
    )
    try:
        plugin.next_after()
    except ZeroDivisionError as error:
        assert error.__traceback__ is not None
        # Without this test itself, which calls it.
        assert describe_raise(error.with_traceback(error.__traceback__.tb_next)).endswith(
            " (/site/rae_odd/helper.py:2)"
        )
