"""Warnings about valid configurations: what is likely to fail here, or not to mean what it says.

The table is `doubtful_configurations.txt`: a title, the file, and the lines without the file's name.
"""

import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from rae_auto.checks.check import check_file
from rae_auto.config import Report
from rae_auto.registry import Registry
from rae_auto.toolkit.extras import install_command
from rae_auto.toolkit.secrets import programs

TABLE = (Path(__file__).parent / "doubtful_configurations.txt").read_text(encoding="utf-8")
GAP = re.compile(r"from \d{4}-\d\d-\d\d 18:00 until \d{4}-\d\d-\d\d 18:00")
"""A weekend, which depends on the day of the test."""

CASES = [block.split("\n", 1) for block in TABLE.removeprefix("### ").split("\n### ")]


def check_text(folder: Path, text: str) -> Report:
    path = folder / "rae.toml"
    path.write_text(text)
    path.chmod(0o600)
    report = check_file(path, Registry())
    lines = [line.removeprefix(f"{path}:").removeprefix(" ") for line in report.warnings]
    assert all(line.isprintable() for line in lines)
    return Report(report.errors, tuple(lines), report.jobs)


@pytest.mark.requirement("R38")
@pytest.mark.parametrize("case", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_check_warns_of_a_doubtful_configuration(case: str, tmp_path: Path) -> None:
    text, lines = case.split("--->\n")
    expected = [line.replace("FOLDER", str(tmp_path)) for line in lines.strip().split("\n") if line]
    report = check_text(tmp_path, text)
    assert report.errors == ()
    assert [GAP.sub("from GAP", warning) for warning in report.warnings] == expected


def test_check_runs_and_imports_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (tmp_path / "package" / "reports.py").write_text(f"open({str(mark)!r}, 'w')\ndef main(): pass\n")
    text = f"""
        [jobs.a]
        python = "package.reports:main"
        [jobs.b]
        shell = "touch {mark}"
        guards = [{{ type = "command", command = ["touch", "{mark}"] }}]
        [jobs.c]
        python = "package.reports:mian"
    """
    report = check_text(tmp_path, text)
    assert report.errors == ()
    assert report.warnings == (
        '8: jobs.c.python: module "package.reports" has no function "mian"; did you mean "main"?',
    )
    assert not mark.exists()


def test_check_warns_of_a_secret_file_that_others_can_read(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("x")
    secret.chmod(0o644)
    report = check_text(tmp_path, f'[jobs.a]\nshell = "true"\nenv = {{ T = "${{file:{secret}}}" }}')
    assert report.warnings == (
        f"3: jobs.a.env.T: refers to {secret}, which other users can read; run 'chmod 600 {secret}'",
    )


_KEYRING_JOB = (
    '[jobs.a]\nshell = "true"\nenv = { A = "${keyring:db/me}", B = "x" }\n[jobs.b]\nstdin = "${keyring:b/me}"'
)


def test_check_warns_of_a_keyring_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    what = f"but keyring is not installed; run '{install_command('keyring')}'"
    assert check_text(tmp_path, _KEYRING_JOB + '\nshell = "true"').warnings == (
        f"3: jobs.a.env.A: refers to ${{keyring:db/me}}, {what}",
        f"5: jobs.b.stdin: refers to ${{keyring:b/me}}, {what}",
    )


@pytest.mark.skipif(find_spec("keyring") is None, reason="needs keyring")
def test_check_warns_of_a_keyring_without_a_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    lines = check_text(tmp_path, _KEYRING_JOB + '\nshell = "true"').warnings
    what = "but the keyring can't be read: it has no backend in this session; log in to a desktop, install a"
    assert [line.split(" backend such")[0] for line in lines] == [
        f"3: jobs.a.env.A: refers to ${{keyring:db/me}}, {what}",
        f"5: jobs.b.stdin: refers to ${{keyring:b/me}}, {what}",
    ]


@pytest.mark.skipif(os.name == "nt", reason="a matter of POSIX modes and first lines")
def test_check_warns_of_a_script_that_cannot_be_run(tmp_path: Path) -> None:
    first_lines = {"plain": "#!/bin/sh\n", "gone": "#!/no/such/python\n", "crlf": "#!/bin/sh\r\n"}
    for name, line in first_lines.items():
        (tmp_path / name).write_bytes(line.encode())
        (tmp_path / name).chmod(0o600 if name == "plain" else 0o700)
    jobs = [f'[jobs.{name}]\ncommand = ["./{name}"]\ncwd = "{tmp_path}"' for name in first_lines]
    plain, gone, crlf = (tmp_path / name for name in first_lines)
    assert check_text(tmp_path, "\n".join(jobs)).warnings == (
        f"2: jobs.plain.command: program \"{plain}\" is not executable; run 'chmod +x {plain}'",
        f'5: jobs.gone.command: the first line of "{gone}" names "/no/such/python", which can\'t be run; '
        "correct that line",
        f'8: jobs.crlf.command: the lines of "{crlf}" end with CR LF, as on Windows; run \'sed -i "s/\\r$//" {crlf}\'',
    )


def test_check_counts_the_valid_jobs(tmp_path: Path) -> None:
    report = check_text(tmp_path, '[jobs.a]\nshell = "true"\n[jobs.b]\nshell = 3\n[jobs.c]\nshell = "true"')
    assert len(report.errors) == 1
    assert report.jobs == 2


def test_a_job_with_an_error_gets_its_warnings_too(tmp_path: Path) -> None:
    report = check_text(tmp_path, '[jobs.a]\ncommand = ["no-such"]\ntimeout = "ten"\nschedule = "* 9 * * *"\n')
    assert len(report.errors) == 1
    assert [line.split(": ")[1] for line in report.warnings] == ["jobs.a.command", "jobs.a.schedule"]


def test_no_warning_follows_from_a_value_that_is_wrong(tmp_path: Path) -> None:
    report = check_text(tmp_path, '[jobs.a]\ncommand = ["./here.sh"]\ncwd = 5\n')
    assert len(report.errors) == 1
    assert report.warnings == ()
