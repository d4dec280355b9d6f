"""rae-auto event send, list, delete and hook: against a real daemon, and where none runs."""

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.architecture.test_imports import imported_by
from tests.support.waiting import eventually

from rae_auto.cli.entry import run

YESTERDAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
"""Not long ago: what is older than the history isn't kept."""

CONFIG = 'store = "{store}"\n[jobs.a]\ncommand = ["true"]\n'


@pytest.fixture
def empty_log(daemon, cli):
    """The program, and a daemon that knows of no event."""
    assert cli("event", "delete", "--all").code == 0
    return cli


class TestSend:
    def test_prints_the_id_of_the_event_that_the_list_shows(self, empty_log):
        said = empty_log("event", "send", "door.opened", "--data", '{"room": "kitchen", "times": 2}')
        assert (said.code, said.err) == (0, "")
        (event,) = empty_log("event", "list", "--json").json
        assert event.pop("at").endswith("+00:00")
        assert event == {"id": said.out.strip(), "name": "door.opened", "data": {"room": "kitchen", "times": 2}}

    def test_as_json(self, empty_log):
        local = YESTERDAY.astimezone(timezone(timedelta(hours=2)))
        answer = empty_log("event", "send", "a", "--at", local.isoformat(), "--json").json
        assert answer == {"id": answer["id"], "name": "a", "at": YESTERDAY.isoformat()}

    def test_takes_fields_as_text_or_as_json(self, empty_log):
        empty_log("event", "send", "a", "--data", '{"x": 1, "y": 1}', "--field", "x=2=3", "--field", "y:=[true, null]")
        assert empty_log("event", "list", "--json").json[0]["data"] == {"x": "2=3", "y": [True, None]}

    def test_reads_data_from_standard_input(self, empty_log, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO('{"from": "a pipe"}'))
        assert empty_log("event", "send", "a", "--data", "-").code == 0
        assert empty_log("event", "list", "--json").json[0]["data"] == {"from": "a pipe"}

    def test_refuses_what_is_too_long_on_standard_input_as_what_it_is(self, empty_log, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f'{{"x": "{"y" * 2_000_000}"}}'))
        said = empty_log("event", "send", "a", "--data", "-")
        assert (said.code, said.out) == (2, "")
        assert said.err == "rae-auto: --data is larger than 64 KB; store it in a file and pass its path\n"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["a", "--data", "{"], "--data is not valid JSON (Expecting property name"),
            (["a", "--data", "[" * 100_000], "--data is not valid JSON"),
            (["a", "--data", "[1]"], '--data must be a JSON object, as in \'{"room": "kitchen"}\''),
            (["a", "--field", "x"], '--field "x" must be KEY=TEXT or KEY:=JSON'),
            (["a", "--field", "=x"], '--field "" must be KEY=TEXT or KEY:=JSON'),
            (["a", "--field", "x:=y"], "--field x:= is not valid JSON"),
            (["no name"], 'invalid event name "no name"'),
            (["run.succeeded"], "is reserved; choose another"),
            (["a", "--at", "soon"], '--at: invalid time "soon"'),
            (["a", "--at", "2199-01-01T00:00:00Z"], "rae-auto: --at: 2199-01-01T00:00:00+00:00 is in the future"),
            (["a", "--field", f"x={'y' * 70_000}"], "data: is larger than 64 KB"),
            (["a", "--field", f"x={'y' * 200_000}"], "a request is limited to 128 KB"),
            (["a", "--field", "x:=1e999"], "invalid number"),
            ([], "NAME is missing"),
        ],
    )
    def test_refuses_what_is_no_event_with_exit_code_2(self, empty_log, arguments, message):
        said = empty_log("event", "send", *arguments)
        assert (said.code, said.out) == (2, "")
        assert message in said.err
        assert said.err.count("\n") == 1
        assert empty_log("event", "list", "--json").json == []

    def test_takes_as_much_data_as_an_event_may_have(self, empty_log):
        assert empty_log("event", "send", "a", "--field", f"x={'y' * 65_000}").code == 0
        assert empty_log("event", "send", "b", "--field", f"x={'ü' * 10_000}").code == 0
        assert [len(event["data"]["x"]) for event in empty_log("event", "list", "--json").json] == [10_000, 65_000]

    def test_has_exit_code_3_without_a_daemon(self, offline):
        said = offline("event", "send", "a")
        assert (said.code, said.out) == (3, "")
        assert "no daemon is running" in said.err

    def test_keeps_bytes_that_are_no_text_readable(self, empty_log, home):
        command = [sys.executable, "-m", "rae_auto", "event", "send", "a", "--field", b"x=\xff\xfe"]
        subprocess.run(command, check=True, env={**os.environ, "RAE_STATE_DIR": str(home / "state")})
        assert empty_log("event", "list", "--json").json[0]["data"] == {"x": "��"}

    def test_imports_no_more_than_any_question_to_the_daemon(self, tmp_path):
        modules = imported_by("event", "send", "a", state=tmp_path, code=3)
        heavy = {"attrs", "cattrs", "croniter", "loguru", "pluggy", "asyncio", "importlib_metadata"}
        assert {name.split(".")[0] for name in modules} & heavy == set()
        assert not [
            name
            for name in modules
            if name.startswith(("rae_plugins", "rae_auto.engine", "rae_auto.daemon", "rae_auto.runtime"))
        ]


class TestList:
    @pytest.fixture
    def some(self, empty_log):
        for name, minute in (("a.one", 1), ("a.two", 2), ("b", 3)):
            assert empty_log("event", "send", name, "--at", YESTERDAY.replace(minute=minute).isoformat()).code == 0
        return empty_log

    def names(self, cli, *arguments):
        return [event["name"] for event in cli("event", "list", *arguments, "--json").json]

    def test_shows_the_newest_first_as_many_as_are_wanted(self, some):
        assert self.names(some) == ["b", "a.two", "a.one"]
        assert self.names(some, "--limit", "1") == ["b"]

    def test_finds_names_however_many_others_are_newer(self, some):
        assert self.names(some, "--name", "a.*", "--limit", "1") == ["a.two"]
        assert self.names(some, "--name", "a.one", "--name", "b") == ["b", "a.one"]
        assert self.names(some, "--name", "a.one", "--limit", "1") == ["a.one"]

    def test_between_two_instants(self, some):
        second = YESTERDAY.replace(minute=2).isoformat()
        assert self.names(some, "--since", second, "--until", second) == ["a.two"]
        assert some("event", "list", "--since", "mondey").code == 2

    def test_suggests_a_name_for_one_that_is_misspelled(self, empty_log):
        empty_log("event", "send", "door.opened")
        found = empty_log("event", "list", "--name", "door.opend")
        assert 'no event "door.opend" is recorded; did you mean "door.opened"?' in found.err
        assert empty_log("event", "list", "--name", "door.opened").err == ""
        assert empty_log("event", "list", "--name", "door.opend", "--json").json == []

    def test_shows_ends_of_runs_only_when_asked(self, some):
        some("trigger", "hello")
        assert self.names(some, "--name", "run.*") == []
        eventually(lambda: "run.succeeded" in self.names(some, "--name", "run.*", "--runs"))

    def test_shows_what_others_have_sent_so_that_no_terminal_obeys_it(self, empty_log):
        empty_log("event", "send", "a", "--field", "x=\x1b[31m\nred‮")
        said = empty_log("event", "list")
        assert said.out.endswith('  a  {"x": "\\u001b[31m\\nred\\u202e"}\n')


class TestForget:
    def test_deletes_by_name_and_says_how_many(self, empty_log):
        for name in ("a.one", "a.two", "b", "c"):
            empty_log("event", "send", name)
        assert empty_log("event", "delete", "a.*", "c").out == "deleted 3 events\n"
        assert [event["name"] for event in empty_log("event", "list", "--json").json] == ["b"]
        assert empty_log("event", "delete", "--all", "--json").json == {"deleted": 1}

    def test_deletes_what_is_older(self, empty_log):
        empty_log("event", "send", "a", "--at", YESTERDAY.isoformat())
        empty_log("event", "send", "a")
        before = (YESTERDAY + timedelta(minutes=1)).isoformat()
        assert empty_log("event", "delete", "a", "--before", before).out == "deleted 1 event\n"
        assert len(empty_log("event", "list", "--json").json) == 1

    def test_leaves_nothing_in_the_files_of_a_daemon_that_runs(self, empty_log, home):
        for number in range(20):
            empty_log("event", "send", "a", "--field", f"secret=hunter2-{number}")
        assert b"hunter2" in b"".join(path.read_bytes() for path in (home / "state").glob("state*"))
        empty_log("event", "delete", "a")
        assert b"hunter2" not in b"".join(path.read_bytes() for path in (home / "state").glob("state*"))

    def test_delete_without_a_valid_selection_is_bad_usage(self, empty_log):
        empty_log("event", "send", "a")
        for arguments in ([], ["--all", "a"], ["run.*"], ["x" * 300], ["a", "--before", "soon"]):
            assert empty_log("event", "delete", *arguments).code == 2
        assert len(empty_log("event", "list", "--json").json) == 1


@pytest.mark.parametrize("store", ["sqlite", "json"])
class TestWithoutADaemon:
    @pytest.fixture
    def stored(self, offline, tmp_path, store):
        """The program beside a store with three events."""
        (tmp_path / "rae.toml").write_text(CONFIG.format(store=store))
        (tmp_path / "rae.toml").chmod(0o600)
        code = (
            "from rae_auto import SyncScheduler\n"
            f"with SyncScheduler(store={store!r}) as scheduler:\n"
            "    for name in ('a.one', 'a.two', 'b'):\n"
            "        scheduler.record_event(name, {'secret': 'hunter2'})\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        return offline

    def test_events_are_listed(self, stored):
        assert [event["name"] for event in stored("event", "list", "--json").json] == ["b", "a.two", "a.one"]
        assert len(stored("event", "list", "--name", "a.*", "--limit", "1").out.splitlines()) == 1

    def test_deleted_events_are_in_no_file_of_the_store(self, stored, tmp_path):
        files = [path for path in (tmp_path / "state").iterdir() if path.is_file()]
        assert [path for path in files if b"hunter2" in path.read_bytes()]
        assert stored("event", "delete", "a.*").out == "deleted 2 events\n"
        assert len(stored("event", "list", "--json").json) == 1
        assert stored("event", "delete", "--all").out == "deleted 1 event\n"
        files = [path for path in (tmp_path / "state").iterdir() if path.is_file()]
        assert [path.name for path in files if b"hunter2" in path.read_bytes()] == []
        assert stored("event", "list", "--json").json == []

    def test_bad_questions_are_refused_as_the_daemon_does(self, stored):
        assert stored("event", "list", "--since", "mondey").code == 2
        assert stored("event", "delete", "run.*").code == 2


class TestHook:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_names_the_program_by_its_place(self, shell, capsys):
        assert run(["event", "hook", shell]) == 0
        out = capsys.readouterr().out
        assert f"{sys.executable} -P -m rae_auto event send shell.command" in out.replace("'", "")
        assert "@PROGRAM@" not in out

    def test_no_other_shell_is_known(self, cli):
        assert cli("event", "hook", "csh").code == 2


@pytest.mark.requirement("S4")
def test_an_event_that_was_sent_is_kept_by_its_owner_alone(empty_log, home):
    empty_log("event", "send", "a")
    assert (home / "state").stat().st_mode & 0o777 == 0o700
    for path in (home / "state").glob("state.sqlite*"):
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_what_is_printed_as_json_is_json(empty_log):
    said = empty_log("event", "send", "no name", "--json")
    assert json.loads(said.err)["error"]["kind"] == "BadRequest"
