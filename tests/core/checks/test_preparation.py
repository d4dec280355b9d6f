"""Jobs that `check` prepares: what can't be resolved is an error, what can't be reached a warning."""

import os
from pathlib import Path

import pytest
from tests.core.checks.test_warnings import check_text

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX processes")

FILE = '[jobs.a]\nscript = "job.py"\n'


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes uv fail with a text."""
    (tmp_path / "job.py").write_text("# /// script\n# dependencies = []\n# ///\n")
    (tmp_path / "uv").write_text('#!/bin/sh\necho "$SAY" >&2; exit 1\n')
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def write(text: str) -> str:
        return f'{FILE}env = {{ SAY = "{text}" }}\n'

    return write


def test_packages_that_can_not_be_resolved_are_an_error(tmp_path: Path, say) -> None:
    report = check_text(tmp_path, say("error: No solution found: x is unknown"))
    text = "what its inline metadata ask for can't be installed (uv: No solution found: x is unknown); correct them"
    assert report.errors == (f"{tmp_path}/rae.toml:2: jobs.a.script: {text}",)
    assert report.warnings == ()


def test_an_index_that_can_not_be_reached_is_a_warning(tmp_path: Path, say) -> None:
    report = check_text(tmp_path, say("error: Failed to fetch: x"))
    assert report.errors == ()
    assert report.warnings == ("1: jobs.a: could not be prepared now: uv: Failed to fetch: x",)


def test_a_missing_script_is_reported_once(tmp_path: Path, say) -> None:
    (tmp_path / "job.py").unlink()
    report = check_text(tmp_path, say("never called"))
    assert report.errors == ()
    assert [line.partition(": ")[2][:13] for line in report.warnings] == ["jobs.a.script"]
