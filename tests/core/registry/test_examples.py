"""Examples of the built-in plugins, and the list of all keys."""

import shlex
import tomllib
from pathlib import Path

import click
import pytest

from rae_auto.api.plugin import Kind
from rae_auto.cli.program import program, run
from rae_auto.config import check
from rae_auto.errors import PluginUnavailable
from rae_auto.offline.configuration_keys import list_keys
from rae_auto.registry import Registry
from rae_auto.registry.describe import describe_example

REGISTRY = Registry()
PLUGINS = [(kind, name) for kind in Kind if kind is not Kind.COMMAND for name in sorted(REGISTRY.names(kind))]
HOLIDAYS = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nEND:VCALENDAR\n"


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_example_of_a_plugin_is_valid_in_a_configuration(
    kind: Kind, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "holidays.ics").write_text(HOLIDAYS)
    try:
        example = describe_example(kind, REGISTRY.get(kind, name))
    except PluginUnavailable as error:
        pytest.skip(str(error))
    is_of_job = kind in (Kind.TRIGGER, Kind.GUARD, Kind.EXECUTOR)
    work = 'python = "json:dumps"\nargs = [1]' if name == "thread" else 'shell = "true"'
    jobs = f'[jobs.backup]\nshell = "true"\n[jobs.a]\n{work}\n{example if is_of_job else ""}\n'
    path = tmp_path / "rae.toml"
    path.write_text(jobs if is_of_job else f"{example}\n{jobs}")
    path.chmod(0o600)
    assert check(path, REGISTRY).errors == ()
    assert tomllib.loads(example)


@pytest.mark.parametrize("name", sorted(REGISTRY.names(Kind.COMMAND)))
def test_example_of_a_command_is_understood(name: str) -> None:
    try:
        example = describe_example(Kind.COMMAND, REGISTRY.get(Kind.COMMAND, name))
    except PluginUnavailable as error:
        pytest.skip(str(error))
    context = click.Context(program, info_name="rae-auto")
    command = program.get_command(context, name)
    assert command is not None
    command.make_context(name, shlex.split(example)[2:], parent=context)


def test_plugins_show_prints_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "show", "trigger", "interval"]) == 0
    assert capsys.readouterr().out.endswith('example: trigger = { type = "interval", every = "5m" }\n')


def test_all_keys_have_a_meaning() -> None:
    keys = {option.name: option for option in list_keys()}
    assert {"timezone", "history.keep", "jobs.NAME.timeout", "jobs.NAME.retry.delay"} <= keys.keys()
    assert [name for name, option in keys.items() if not option.help] == []
    assert keys["jobs.NAME.priority"].type == "one of: low, normal, high, critical"


def test_schema_lists_the_keys_of_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "job", "--keys"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("jobs.NAME.") for line in lines)
    assert any(line.split()[0] == "jobs.NAME.limits.memory" for line in lines)
