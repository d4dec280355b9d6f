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


@pytest.mark.parametrize(
    ("code", "cause", "page"),
    [
        ("127", "did not find a program", "exit-codes.md#job-127"),
        ("137", "SIGKILL ended a program", "exit-codes.md#job-137"),
        ("134", "128 + 6 if SIGABRT ended its program", "exit-codes.md"),
        ("42", "ended with this code, which means what its program says", "exit-codes.md"),
    ],
)
def test_exit_codes_of_jobs_are_explained(code: str, cause: str, page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", code]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"job {code} (exit code)\n")
    assert cause in printed
    assert printed.endswith(f"  page    docs/reference/{page}\n")


def test_number_that_no_program_ends_with_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "300"]) == 2
    assert 'unknown code "300"' in capsys.readouterr().err


def test_explain_names_codes_that_were_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "need_faild"]) == 2
    assert 'unknown code "need_faild"; did you mean need_failed' in capsys.readouterr().err
