"""rae-auto import: what it prints, writes and refuses, and a source that is switched off and on."""

import os
import shutil
import tomllib
from pathlib import Path

import pytest

CRONTAB = "# nightly\n30 2 * * * /bin/true\n@weekly /bin/echo done\n"


@pytest.fixture
def crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "crontab"
    path.write_text(CRONTAB)
    path.chmod(0o640)
    return path


def test_import_writes_a_configuration_that_check_accepts(offline, crontab: Path) -> None:
    said = offline("import", "crontab", "crontab")
    assert said.code == 0, said.err
    assert said.out.splitlines()[0] == "crontab: 2 jobs, 2 remarks, 0 left out; written to rae.toml"
    assert "2 schedules in the next two years compared, all equal" in said.out
    assert tomllib.loads(Path("rae.toml").read_text())["jobs"].keys() == {"true", "echo"}
    assert Path("rae.toml").stat().st_mode & 0o777 == 0o600
    assert offline("check").code == 0


def test_import_never_overwrites(offline, crontab: Path) -> None:
    Path("rae.toml").write_text("# mine\n")
    said = offline("import", "crontab", "crontab")
    assert (said.code, Path("rae.toml").read_text()) == (2, "# mine\n")
    assert "rae.toml exists; name another file with --output" in said.err


def test_dry_run_prints_the_configuration_and_writes_nothing(offline, crontab: Path) -> None:
    said = offline("import", "crontab", "crontab", "--dry-run")
    assert tomllib.loads(said.out)["jobs"]["true"] == {"shell": "/bin/true", "schedule": "30 2 * * *"}
    assert "nothing was written" in said.err
    assert not Path("rae.toml").exists()


def test_source_is_disabled_and_restored(offline, crontab: Path) -> None:
    assert "2 lines of the source disabled" in offline("import", "crontab", "crontab", "--disable-source").out
    assert crontab.read_text() == CRONTAB.replace("30 2", "#rae-auto# 30 2").replace("@w", "#rae-auto# @w")
    assert crontab.stat().st_mode & 0o777 == 0o640
    assert "2 lines of the source restored" in offline("import", "crontab", "crontab", "--restore-source").out
    assert crontab.read_text() == CRONTAB


def test_folder_of_cron_d_is_read_file_by_file(offline, crontab: Path, tmp_path: Path) -> None:
    (tmp_path / "cron.d").mkdir()
    user = "root" if os.geteuid() == 0 else os.environ.get("USER", "x")
    for name in ("backup", "other", "left.bak"):
        (tmp_path / "cron.d" / name).write_text(f"5 4 * * * {user} /bin/true {name}\n")
    said = offline("import", "crontab", "cron.d")
    assert said.code == 0, said.err
    jobs = tomllib.loads(Path("rae.toml").read_text())["jobs"]
    assert [job["shell"] for job in jobs.values()] == ["/bin/true backup", "/bin/true other"]
    assert "# from cron.d/other" in Path("rae.toml").read_text()


def test_user_without_a_crontab_gets_a_hint(
    offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crontab: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    assert 'no program "crontab" here; name a file' in offline("import", "crontab").err
    shutil.copy("/bin/false", programs / "crontab")
    assert "the user has no crontab; name a file" in offline("import", "crontab").err


def test_own_crontab_is_read_and_written_by_the_program_of_that_name(
    offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crontab: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    fake = programs / "crontab"
    fake.write_text(f'#!/bin/sh\nif [ "$1" = -l ]; then cat {crontab}; else cat > {crontab}; fi\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert offline("import", "crontab", "--disable-source").code == 0
    assert crontab.read_text().count("#rae-auto# ") == 2
    assert offline("import", "crontab", "--restore-source").code == 0
    assert crontab.read_text() == CRONTAB


@pytest.mark.parametrize("arguments", [("--dry-run",), ("--dry-run", "-")])
def test_disabling_needs_a_real_import(offline, crontab: Path, arguments: tuple[str, ...]) -> None:
    said = offline("import", "crontab", *arguments, "--disable-source")
    assert (said.code, "--disable-source needs a source that is really imported" in said.err) == (2, True)


def test_job_that_check_refuses_becomes_a_comment(offline, crontab: Path) -> None:
    crontab.write_text(f"{CRONTAB}0 3 * * * cat ${{file:/etc/passwd}}\n")
    said = offline("import", "crontab", "crontab", "--disable-source")
    assert (said.code, "2 jobs, 2 remarks, 1 left out" in said.out) == (0, True), said.err
    assert "not imported: line 4: shell refers to ${file:/etc/passwd}, but other users can read the line" in said.out
    assert '\n# shell = "cat ${file:/etc/passwd}"\n' in Path("rae.toml").read_text()
    assert offline("check").code == 0
    assert [line[:5] for line in crontab.read_text().splitlines()] == ["# nig", "#rae-", "#rae-", "0 3 *"]


def test_variable_of_a_timer_never_becomes_a_secret(offline, tmp_path: Path, crontab: Path) -> None:
    (tmp_path / "a.timer").write_text("[Timer]\nOnCalendar=daily\n")
    (tmp_path / "a.service").write_text("[Service]\nExecStart=/bin/true\nEnvironment=KEY=${file:/a}\n")
    said = offline("import", "systemd", "a.timer")
    assert (said.code, 'variable "KEY" has ${file:/a}, which is plain text there' in said.out) == (1, True), said.err


def test_crontab_is_with_or_without_a_column_of_users(offline, crontab: Path) -> None:
    said = offline("import", "crontab", "--user", "--system", "crontab")
    assert (said.code, "takes either --user or --system" in said.err) == (2, True)


def test_column_of_users_gets_a_hint_unless_an_option_says_what_it_is(offline, crontab: Path) -> None:
    crontab.write_text("17 * * * * root cd / && run-parts /etc/cron.hourly\n")
    assert "import it with --system" in offline("import", "crontab", "crontab", "--dry-run").err
    for option in ("--user", "--system"):
        assert "import it with" not in offline("import", "crontab", option, "crontab", "--dry-run").err


def test_missing_source_is_named_before_an_existing_result(offline, crontab: Path) -> None:
    Path("rae.toml").write_text("# mine\n")
    said = offline("import", "crontab", "nofile")
    assert (said.code, '"nofile" does not exist' in said.err) == (2, True)


def test_file_in_the_place_of_its_kind_gets_the_right_command(offline, crontab: Path) -> None:
    crontab.rename("mycron")
    assert "write its kind before it, as in 'rae-auto import crontab mycron'" in offline("import", "mycron").err
    assert "that is a file" not in offline("import", "absent").err


def test_source_without_a_job_writes_nothing(offline, crontab: Path) -> None:
    crontab.write_text("[Timer]\nOnCalendar=daily\n")
    said = offline("import", "crontab", "crontab", "--disable-source")
    assert (said.code, "0 jobs" in said.out, "nothing was written" in said.out) == (1, True, True)
    assert not Path("rae.toml").exists()
