"""The command explain."""

import json

import pytest

from rae_auto.cli.entry import run


def test_explain_prints_cause_hint_and_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "need_failed"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("need_failed (reason)\n  cause   Skipped, or waits: ")
    assert "rae-auto trigger JOB" in printed
    assert printed.endswith("  page    docs/reference/reasons.md#need_failed\n")


def test_explain_without_a_code_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "--json"]) == 0
    sets = {entry["set"] for entry in json.loads(capsys.readouterr().out)}
    assert sets == {"reason", "state", "error", "problem", "exit code"}


def test_explain_names_codes_that_were_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "need_faild"]) == 2
    assert 'unknown code "need_faild"; did you mean need_failed' in capsys.readouterr().err
