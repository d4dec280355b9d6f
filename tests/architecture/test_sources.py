"""Properties of the files themselves."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Written apart, so that this file doesn't hold what it looks for.
PACKAGE_HOSTS = re.compile("|".join(["pypi" + r"\.org", "python" + r"hosted\.org", "--extra-" + "index-url"]))
BUILD_MACHINES = re.compile(r"(?<![\w.~-])/(?:work|workspace|builds|home/runner|root/\.)(?:/|\w)")
MERGE_MARKS = re.compile("^(?:" + "<" * 7 + "|" + ">" * 7 + ") ", re.MULTILINE)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize(
    "pattern",
    [PACKAGE_HOSTS, BUILD_MACHINES, MERGE_MARKS],
    ids=["package hosts", "paths of a build machine", "marks of a merge"],
)
def test_no_tracked_file_knows_about_where_it_was_made(pattern: re.Pattern[str]) -> None:
    here = str(ROOT)
    found = []
    for path in tracked():
        text = path.read_text(encoding="utf-8", errors="replace")
        if match := pattern.search(text):
            found.append(f"{path.relative_to(ROOT)}: {match[0]}")
        elif here in text:
            found.append(f"{path.relative_to(ROOT)}: {here}")
    assert found == []


def test_no_module_is_too_long_to_be_read_in_one_sitting() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in tracked() if path.suffix == ".py"}
    long = {path: length for path, length in lengths.items() if length > 450}
    assert {str(path.relative_to(ROOT)): length for path, length in long.items()} == {}


def test_the_top_level_is_what_the_design_names() -> None:
    files = {path.relative_to(ROOT).parts[0] for path in tracked()}
    visible = {name for name in files if not name.startswith(".")}
    rooms = {"contrib", "cookiecutter-plugin", "core", "docs", "plugins", "schemas", "tests"}
    assert visible == rooms | {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "pyproject.toml"}
