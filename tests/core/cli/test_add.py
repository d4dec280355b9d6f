"""The command add: options for what a job needs on day one, and the answer that says when it runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.core.cli.conftest import Cli
from tests.support.waiting import eventually

from rae_auto.checks.check import check_file
from rae_auto.config import load
from rae_auto.model import documents
from rae_auto.registry import Registry

pytestmark = pytest.mark.usefixtures("daemon")


def add(cli: Cli, *arguments: str) -> Any:
    """Add a job, and return its definition; it is removed again."""
    assert cli("add", "new", *arguments).code == 0
    definition = cli("show", "new", "--json").json["definition"]
    cli("remove", "new")
    return definition


def test_add_takes_a_shell_line_variables_and_a_folder(cli: Cli, tmp_path: Path) -> None:
    definition = add(cli, "--shell", "ls | wc -l", "--env", "A=1", "--env", "B=x=y", "--cwd", str(tmp_path))
    assert definition["shell"] == "ls | wc -l"
    assert definition["env"] == {"A": "1", "B": "x=y"}
    assert definition["cwd"] == str(tmp_path)
    assert add(cli, "--pass-env", "TOKEN", "--", "true")["pass_env"] == ["TOKEN"]


def test_a_job_runs_in_the_folder_where_add_was_typed(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli("add", "here", "--", "pwd")
    run = cli("trigger", "here").out.strip()
    eventually(lambda: cli("history", "here", "--json").json[0]["state"] == "succeeded")
    assert cli("output", run).out == f"{tmp_path}\n"
    cli("remove", "here")


def test_a_relative_folder_is_made_absolute(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    assert add(cli, "--cwd", "sub", "--", "pwd")["cwd"] == str(tmp_path / "sub")


def test_add_takes_a_time_zone_for_its_schedule(cli: Cli) -> None:
    definition = add(cli, "--schedule", "0 9 * * *", "--tz", "Asia/Tokyo", "--", "true")
    assert definition["schedule"][0]["options"] == {"expression": "0 9 * * *", "timezone": "Asia/Tokyo"}
    refused = cli("add", "new", "--tz", "Asia/Tokyo", "--", "true")
    assert (refused.code, refused.err.startswith("rae-auto: --tz is the time zone of --schedule;")) == (2, True)


def test_add_takes_needs_and_guards_in_both_notations(cli: Cli) -> None:
    guards = ["load below=2", '{ type = "weekday", days = ["mon", "tue"] }', "power"]
    definition = add(cli, "--needs", "hello", *(word for guard in guards for word in ("--guard", guard)), "--", "true")
    assert definition["needs"] == ["hello"]
    assert [(guard["type"], guard.get("options")) for guard in definition["guards"]] == [
        ("load", {"below": 2}),
        ("weekday", {"days": ["mon", "tue"]}),
        ("power", None),
    ]


def test_add_takes_paths_and_other_triggers(cli: Cli, tmp_path: Path) -> None:
    definition = add(
        cli,
        "--on",
        str(tmp_path),
        "--trigger",
        "interval:every=1h",
        "--executor",
        "process:orphans=allow",
        "--",
        "true",
    )
    assert definition["executor"] == {"type": "process", "options": {"orphans": "allow"}}
    assert [(trigger["type"], trigger["options"]) for trigger in definition["schedule"]] == [
        ("file", {"paths": [str(tmp_path)]}),
        ("interval", {"every": "1h"}),
    ]


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["--every", "1h"], "added new; next at "),
        (["--on", "/tmp"], "added new; it runs when its trigger fires\n"),
        ([], "added new; start it with 'rae-auto trigger new'\n"),
    ],
)
def test_add_says_when_the_job_runs(cli: Cli, arguments: list[str], answer: str) -> None:
    assert cli("add", "new", *arguments, "--", "true").out.startswith(answer)
    cli("remove", "new")


def test_add_answers_with_the_next_start_as_json(cli: Cli) -> None:
    answer = json.loads(cli("add", "new", "--every", "1h", "--json", "--", "true").out)
    assert answer["next_at"] == cli("list", "--json").json[-1]["next_at"]
    cli("remove", "new")


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--env", "A", '--env must be KEY=VALUE, not "A"'),
        ("--guard", "load below", "--guard takes a type and KEY=VALUE pairs"),
        ("--guard", '{ type = "load"', "--guard is not a valid table of TOML"),
        ("--guard", "{ below = 2 }", "--guard needs a type"),
        ("--guard", "lod below=2", 'lod'),
        ("--trigger", "intervall every=1h", "intervall"),
        ("--shell", "", "nothing to run"),
    ],
)  # fmt: skip
def test_add_refuses_what_it_can_not_read(cli: Cli, option: str, value: str, problem: str) -> None:
    command = [] if option == "--shell" else ["--", "true"]
    refused = cli("add", "new", option, value, *command)
    assert refused.code == 2
    assert problem in refused.err
    assert len(refused.err.splitlines()) == 1


def test_add_takes_a_script_and_its_arguments(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.py").write_text("print()\n")
    monkeypatch.chdir(tmp_path)
    definition = add(cli, "--script", "job.py", "--", "--days", "7")
    assert (definition["script"], definition["args"]) == (str(tmp_path / "job.py"), ["--days", "7"])
    assert "command" not in definition


def test_add_warns_as_check_does(cli: Cli, tmp_path: Path) -> None:
    said = cli("add", "new", "--schedule", "* 9 * * *", "--cwd", str(tmp_path), "--", "no-such-program", "$HOME")
    assert said.code == 0
    assert said.out.startswith("added new; next at ")
    assert [line.partition(": ")[2].partition(":")[0] for line in said.err.splitlines()] == [
        "schedule",
        "command[1]",
        "command",
    ]
    assert said.err.endswith(" (warning)\n")
    again = cli("add", "new", "--replace", "--json", "--", "no-such-program")
    [warning] = again.json["warnings"]
    assert warning.startswith('command: program "no-such-program" not found on PATH')
    assert cli("add", "new", "--replace", "--json", "--", "true").json["warnings"] == []
    cli("remove", "new")


def test_an_added_job_moves_into_the_file(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    added = add(cli, "--every", "1h", "--retries", "2", "--env", "A=x", "--guard", "load below=2", "--", "ls", "a b")
    cli("add", "new", "--every", "1h", "--retries", "2", "--env", "A=x", "--guard", "load below=2", "--", "ls", "a b")
    text = cli("show", "new", "--toml").out
    cli("remove", "new")
    path = tmp_path / "rae.toml"
    path.write_text(text)
    path.chmod(0o600)
    assert check_file(path, Registry()).errors == ()
    moved = documents.dump(load(path, Registry()).jobs[0])
    assert moved == {**added, "cwd": str(tmp_path), "name": "new"}


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (["--schedule", "0 5 * * * /usr/bin/backup"], 'write --schedule "0 5 * * *" --shell "/usr/bin/backup"'),
        (["--every", ""], "write --every 5m, or leave it out"),
        (["--schedule", " "], 'write --schedule "0 9 * * *", or leave it out'),
    ],
)
def test_add_names_its_options_in_hints(cli: Cli, arguments: list[str], end: str) -> None:
    refused = cli("add", "new", *arguments, "--", "true")
    assert refused.code in (1, 2)
    assert refused.err.strip().endswith(f"; {end}")


def test_several_jobs_are_removed_at_once(cli: Cli) -> None:
    for name in ("one", "two"):
        cli("add", name, "--", "true")
    removed = cli("remove", "one", "two")
    assert (removed.code, removed.out.splitlines()) == (0, ["removed one", "removed two"])


def test_numbers_of_records_have_a_short_option(cli: Cli) -> None:
    assert len(cli("next", "0 9 * * *", "-n", "2").out.splitlines()) == 2
    assert cli("history", "-n", "1").code == 0
