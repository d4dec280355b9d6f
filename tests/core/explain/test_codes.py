"""The catalog of codes: complete, and found by code, by spelling and by a whole line."""

import ast
import json
import re
from collections.abc import Iterator

import pytest
from tests.architecture.names import modules

from rae_auto import errors
from rae_auto.cli.failures import EXIT_CODES
from rae_auto.control.protocol import encode_error
from rae_auto.explain.codes.catalog import all_codes, find_codes, near_codes
from rae_auto.explain.codes.entry import CodeEntry, CodeSet
from rae_auto.explain.codes.problems import OTHER, recognize_problem
from rae_auto.model.reasons import REASONS
from rae_auto.model.run import RunState


def codes_of(set_: CodeSet) -> set[str]:
    return {entry.code for entry in all_codes() if entry.set is set_}


def test_every_reason_and_state_is_explained() -> None:
    assert codes_of(CodeSet.REASON) == set(REASONS)
    assert codes_of(CodeSet.STATE) == set(RunState)


CAUGHT_WITHIN = {"CopyGivenUp", "UnknownCode"}
"""Errors that never leave the plugin that raises them."""


def test_every_kind_of_error_that_a_command_can_end_with_is_explained() -> None:
    kinds = {name for name, cls in vars(errors).items() if isinstance(cls, type) and cls.__module__ == errors.__name__}
    ours = modules(tops=("core", "plugins"))
    classes = [node for _, tree in ours for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for _ in classes:
        found = {node.name for node in classes if {ast.unparse(base) for base in node.bases} & kinds} - kinds
        if not found:
            break
        kinds |= found
    assert {"OtherDaemonRuns", "StoreLocked"} <= kinds
    assert kinds - codes_of(CodeSet.ERROR) == CAUGHT_WITHIN


@pytest.mark.parametrize("error", [ValueError("x: no"), errors.StoreLocked("x", 1), errors.NotStarted("no", "overlap")])
def test_a_kind_that_the_daemon_answers_with_is_explained(error: Exception) -> None:
    kind = json.loads(encode_error(1, error))["error"]["kind"]
    assert [entry.set for entry in find_codes(kind)] == [CodeSet.ERROR]


def test_every_exit_code_of_a_command_is_explained() -> None:
    assert {str(code) for _, code in EXIT_CODES} - codes_of(CodeSet.EXIT_CODE) == set()


@pytest.mark.parametrize("entry", all_codes(), ids=lambda entry: f"{entry.set.name}-{entry.code}")
def test_a_code_is_found_and_its_texts_are_sentences(entry: CodeEntry) -> None:
    assert entry in find_codes(entry.code)
    for text in (entry.cause, entry.hint):
        assert text.endswith((".", "?")), text
        assert text[0].isupper() or not text[0].isalpha() or text.startswith("on_"), text


def test_a_code_counts_in_any_spelling_of_its_words() -> None:
    assert [entry.code for entry in find_codes("Need Failed")] == ["need_failed"]
    assert [entry.code for entry in find_codes("PermissionError")] == ["OSError"]
    assert [entry.code for entry in find_codes("2")] == ["2", "health 2"]
    assert find_codes("nothing-like-it") == []
    assert near_codes("need_faild")[0] == "need_failed"


def problem_texts() -> Iterator[str]:
    """The literal texts of problems, as the sources have them."""
    for path, tree in modules():
        if not path.as_posix().startswith(("core/rae_auto/config", "core/rae_auto/checks", "core/rae_auto/model")):
            continue
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if ast.unparse(call.func) in ("invalid", "Problem"):
                yield from literals([*call.args, *(keyword.value for keyword in call.keywords)])


def literals(arguments: list[ast.expr]) -> Iterator[str]:
    for node in arguments:
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{…}" for part in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value


def test_nearly_all_problems_are_of_a_known_kind() -> None:
    texts = sorted({text for text in problem_texts() if re.search("[a-z]{3}", text)})
    assert len(texts) > 70
    unknown = [text for text in texts if recognize_problem(text) == OTHER]
    assert len(unknown) <= len(texts) // 20, f"give them a pattern in explain/codes/problems.py: {unknown}"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('rae.toml:4: jobs.a.timeout: must be text, not the number 3', "wrong-type"),
        ('rae.toml:4: jobs.a.shedule: unknown key; did you mean "schedule"?', "unknown-key"),
        ("rae.toml:1: invalid TOML: expected = after a key", "invalid-toml"),
        ('rae.toml:2: jobs.a.args: refers to ${file:x}, but other users can read arguments; use env', "secret-exposed"),
        ("rae.toml:9: jobs.a.guard_timeout: has no effect without guards; add guards, or remove it", "no-effect"),
        ("job a would need itself: a → b → a; remove one of these needs", "cycle"),
    ],
)  # fmt: skip
def test_a_whole_line_finds_the_kind_of_its_problem(line: str, code: str) -> None:
    assert [entry.code for entry in find_codes(line)] == [code]
