"""Commands that look back while the configuration isn't valid TOML: they work, and say what is wrong in one line."""

import pytest

CONFIG = """
state = "state"
timezone = "Asia/Tokyo"
[jobs.greet]
shell = "echo hello"
schedule = "0 9 * * *"
[jobs.later]
shell = "true
schedule = "0 10 * * *"
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = tmp_path / "rae.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    monkeypatch.delenv("RAE_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    (tmp_path / "state").mkdir()
    (tmp_path / "home" / "rae-auto").mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    "command", ["history", "history --decisions", "why greet", "stats", "list", "show greet", "next greet"]
)
def test_a_syntax_error_is_one_line_and_no_obstacle(offline, config, command):
    said = offline(*command.split())
    place, _, rest = said.err.splitlines()[0].partition(": invalid TOML: a text isn't closed on its line; ")
    assert (said.code, place) == (0, f"rae-auto: {config}:8")
    assert rest.endswith(f"; using what is valid, and the records in {config.parent / 'state'}")
    assert said.err.count("invalid TOML") == 1


def test_what_is_above_the_error_is_used(offline, config):
    assert [job["id"] for job in offline("list", "--json").json] == ["greet"]
    assert offline("next", "greet", "--from", "2030-01-01", "--count", "1").out == "2030-01-01T09:00:00+09:00\n"


def test_bytes_that_are_no_utf_8_are_no_obstacle(offline, config):
    config.write_bytes(CONFIG.replace("hello", "grüezi").encode("latin-1"))
    said = offline("history")
    assert said.code == 0
    assert f"{config}:5: is not UTF-8 text" in said.err


def test_a_file_that_others_can_write_is_refused(offline, config):
    config.chmod(0o666)
    said = offline("history")
    assert (said.code, said.out) == (2, "")


@pytest.mark.parametrize("command", ["history", "disk"])
def test_the_state_directory_is_named_if_its_key_is_broken(offline, config, command):
    config.write_text(CONFIG.replace('"state"\n', '"state\n'))
    said = offline(command)
    assert said.code == 0
    (line,) = [line for line in said.err.splitlines() if str(config) in line]
    assert line.startswith(f"rae-auto: {config}:2: ")
    assert line.endswith(str(config.parent / "home" / "rae-auto"))
