"""Paths of which nothing can be known, as behind a folder that may not be entered: `Path.exists` raises there.

Root may enter all folders, so the paths here have a name that is too long, which raises as well.
"""

import os
from pathlib import Path

import pytest

from rae_auto.checks.check import check_file
from rae_auto.registry import Registry
from rae_auto.toolkit.files import find_obstacle, is_file, is_folder, is_there

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs paths of POSIX")

FOLDER = f"/{'x' * 300}"


def check_text(folder: Path, text: str) -> tuple[str, ...]:
    path = folder / "rae.toml"
    path.write_text(text.replace("FOLDER", FOLDER))
    path.chmod(0o600)
    report = check_file(path, Registry())
    return tuple(line.removeprefix(f"{path}:").strip() for line in (*report.errors, *report.warnings))


def test_nothing_is_said_to_be_there() -> None:
    assert (is_there(FOLDER), is_file(FOLDER), is_folder(FOLDER)) == (False, False, False)
    assert find_obstacle(FOLDER) == "file name too long"
    assert [path for path in ("/", "/no/such", "/dev/null/x", "/a\0b") if find_obstacle(path)] == []


def test_such_a_folder_of_path_is_passed_over(tmp_path: Path) -> None:
    assert check_text(tmp_path, '[jobs.a]\ncommand = ["ls"]\nenv = { PATH = "FOLDER:/usr/bin:/bin" }\n') == ()
    (found,) = check_text(tmp_path, '[jobs.a]\ncommand = ["no-such"]\nenv = { PATH = "FOLDER:/usr/bin" }\n')
    assert "not found on PATH" in found


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ('command = ["FOLDER/program"]', '2: jobs.a.command: program "/xxx'),
        (
            'command = ["ls"]\ntrigger = { type = "file", paths = ["FOLDER/below/*.csv"] }',
            '3: jobs.a.trigger: folder "/xxx',
        ),
    ],
)
def test_path_that_cannot_be_reached_is_named_with_the_cause(tmp_path: Path, keys: str, place: str) -> None:
    (found,) = check_text(tmp_path, f"[jobs.a]\n{keys}\n")
    assert found.startswith(place)
    assert found.endswith("file name too long; change its permissions, or the path")


def test_included_file_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    (found, *_) = check_text(tmp_path, 'include = ["FOLDER/jobs.toml"]\n')
    assert "can't be read (File name too long)" in found


@pytest.mark.parametrize("logger", ['type = "syslog", socket', 'type = "journald", socket', 'type = "file", path'])
def test_logger_at_a_path_that_cannot_be_reached_raises_nothing(tmp_path: Path, logger: str) -> None:
    found = check_text(tmp_path, f'loggers = [{{ {logger} = "FOLDER/below" }}]\n[jobs.a]\ncommand = ["ls"]\n')
    assert not [line for line in found if "can't be checked" in line]
