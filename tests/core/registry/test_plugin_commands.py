"""Subcommands that plugins add: found without importing them, and kept apart from the program."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rae_auto.cli.command_index import COMMANDS
from rae_auto.registry.index import RESERVED_COMMANDS

if TYPE_CHECKING:
    from conftest import Site

COMMAND = '''"""Greets a person, politely."""

from datetime import timedelta
from typing import Literal

from attrs import field, frozen
from rae_auto.api import Command
from rae_auto.hookspecs import hookimpl


@frozen(kw_only=True)
class Greet(Command):
    """Greet a person as often as you like."""

    type = "NAME"
    example = {"who": "world", "loud": True, "times": 2}

    who: str = field(metadata={"help": "the person to greet", "argument": True})
    others: tuple[str, ...] = field(default=(), metadata={"help": "more of them", "argument": True})
    times: int = field(default=1, metadata={"help": "how often"})
    every: timedelta = field(default=timedelta(seconds=1), metadata={"help": "time between greetings"})
    tone: Literal["kind", "curt"] = field(default="kind", metadata={"help": "how to say it"})
    loud: bool = field(default=False, metadata={"help": "shout"})
    with_: tuple[str, ...] = field(default=(), metadata={"help": "what to bring"})

    def run(self, context):
        print(self.who, *self.others, self.times, self.every, self.tone, self.loud, *self.with_)
        print(context.config, context.state_directory.name)
        BODY


@hookimpl
def rae_commands():
    return [Greet]
'''


def lay_out(site: "Site", name: str = "greet", body: str = "return 0", source: str = COMMAND) -> None:
    site.lay_out(name, source.replace("BODY", body), f"rae_command_{name.replace('-', '_')}", group="commands")


@pytest.mark.requirement("S20")
def test_help_shows_a_command_of_a_plugin_without_importing_it(site: "Site") -> None:
    lay_out(site, source='"""Greets a person.\n\nMore of it."""\nraise SystemExit("imported")')
    done = site.rae_auto("--help")
    assert (done.returncode, done.stderr) == (0, "")
    section = done.stdout.partition("From plugins:\n")[2].partition("\n\n")[0]
    assert ["greet", "Greets", "a", "person."] in [line.split() for line in section.splitlines()]


def test_help_names_the_origin_of_a_command_without_a_docstring(site: "Site") -> None:
    lay_out(site, source="def def")
    assert "(from rae_command_greet 1.0)" in site.rae_auto("--help").stdout


def test_fields_of_the_class_are_options_and_arguments(site: "Site") -> None:
    lay_out(site)
    given = ["--times", "3", "--every", "5m", "--tone", "curt", "--loud", "--with", "tea", "--with", "cake"]
    done = site.rae_auto("greet", "Ada", "Grace", *given)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["Ada Grace 3 0:05:00 curt True tea cake", "None state"]


def test_help_of_a_command_shows_its_options_with_defaults(site: "Site") -> None:
    lay_out(site)
    text = " ".join(site.rae_auto("greet", "--help").stdout.split())
    assert "Greet a person as often as you like." in text
    assert "--every TEXT Time between greetings. [default: 1s]" in text
    assert "--tone [kind|curt] How to say it. [default: kind]" in text
    assert "--config FILE" in text


def test_command_gets_the_configuration_that_is_named(site: "Site", tmp_path: Path) -> None:
    lay_out(site)
    path = tmp_path / "other.toml"
    path.write_text("")
    assert site.rae_auto("greet", "Ada", "--config", str(path)).stdout.splitlines()[1] == f"{path} state"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "WHO is missing"),
        (("Ada", "--times", "often"), "--times: must be a whole number"),
        (("Ada", "--every", "5 parsecs"), "--every: "),
        (("Ada", "--tone", "rude"), "--tone must be one of kind, curt"),
        (("Ada", "--lowd"), 'unknown option "--lowd"; did you mean "--loud"?'),
    ],
)
def test_bad_usage_is_one_line_that_names_the_option(site: "Site", arguments: tuple[str, ...], problem: str) -> None:
    lay_out(site)
    done = site.rae_auto("greet", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"rae-auto: {problem}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("return 7", 7, ""),
        ("raise SystemExit(5)", 5, ""),
        ("raise OSError(28, 'No space left on device')", 1, "rae-auto: No space left on device\n"),
        ("context.connect()", 3, "rae-auto: no daemon is running for "),
        ("context.query('list')", 3, "rae-auto: no daemon is running for "),
        (
            "[][0]",
            1,
            "rae-auto: command \"greet\" of rae_command_greet 1.0 failed: IndexError('list index out of range') (",
        ),
        (
            "raise BaseException('no')",
            1,
            "rae-auto: command \"greet\" of rae_command_greet 1.0 failed: BaseException('no') (",
        ),
    ],
)
@pytest.mark.requirement("S21")
def test_end_of_a_command_is_an_exit_code_and_one_line(site: "Site", body: str, code: int, said: str) -> None:
    lay_out(site, body=body)
    done = site.rae_auto("greet", "Ada")
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == (1 if said else 0)


@pytest.mark.requirement("S21")
@pytest.mark.parametrize("source", ["import no_such_module", "raise SystemExit('bye')", "def def", "x = 1"])
def test_broken_command_leaves_the_program_alone(site: "Site", source: str) -> None:
    lay_out(site, source=source)
    for arguments in (("--help",), ("plugins",), ("--version",)):
        done = site.rae_auto(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
    done = site.rae_auto("greet")
    assert done.returncode == 1
    assert done.stderr.startswith('rae-auto: command "greet" of rae_command_greet 1.0 is broken: ')
    assert done.stderr.count("\n") == 1


@pytest.mark.requirement("S21")
def test_plugin_can_not_replace_a_command_of_the_program(site: "Site") -> None:
    lay_out(site, "schema", source="raise SystemExit('imported')")
    assert json.loads(site.rae_auto("schema", "job").stdout)["title"].startswith("Job")
    (row,) = [
        one
        for one in json.loads(site.rae_auto("plugins", "--json").stdout)
        if one["kind"] == "command" and one["name"] == "schema"
    ]
    assert row["state"] == "broken"
    assert row["problem"] == (
        'command "schema" of rae_command_schema 1.0 is never used, because rae-auto has a command of that name; '
        "rename it"
    )


def test_reserved_names_are_those_of_the_program() -> None:
    assert set(COMMANDS) == RESERVED_COMMANDS


@pytest.mark.requirement("S21")
def test_two_distributions_with_one_command_are_named(site: "Site") -> None:
    lay_out(site)
    site.lay_out("greet", COMMAND, "rae_command_thief", group="commands")
    done = site.rae_auto("greet", "Ada")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'command "greet" is provided by ' in done.stderr
    assert "(provided by rae_command" in site.rae_auto("--help").stdout


def test_unknown_command_is_answered_with_that_of_a_plugin(site: "Site") -> None:
    lay_out(site)
    assert "did you mean 'rae-auto greet'" in site.rae_auto("greed").stderr.replace('"greet"', "'rae-auto greet'")


def test_plugins_show_prints_the_command_line_of_the_example(site: "Site") -> None:
    lay_out(site)
    shown = site.rae_auto("plugins", "show", "command", "greet").stdout.splitlines()
    assert shown[0] == "command greet: Greet a person as often as you like."
    assert shown[-1] == "example: rae-auto greet world --loud --times 2"


def test_commands_of_the_program_never_look_for_plugins(site: "Site") -> None:
    lay_out(site)
    code = (
        "import sys; from rae_auto.cli.program import run; run(['schema', 'job', '--keys']); "
        "sys.exit('rae_auto.cli.plugin_commands.command' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.requirement("S21")
@pytest.mark.parametrize("place", ["import", "run"])
def test_command_in_an_endless_loop_ends_by_ctrl_c(site: "Site", place: str) -> None:
    loop = "print('looping', flush=True)\n        while True: pass"
    if place == "run":
        lay_out(site, body=loop)
    else:
        lay_out(site, source="import sys\nsys.stderr.write('looping\\n')\nsys.stderr.flush()\nwhile True: pass")
    command = [sys.executable, "-m", "rae_auto", "greet", "Ada"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        while "looping" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(40) == 130
        assert "Traceback" not in process.stdout.read()


@pytest.mark.requirement("S21")
def test_command_of_a_distribution_leaves_the_json_of_check_alone(site: "Site", tmp_path: Path) -> None:
    lay_out(site, source="print('hello')\nraise ValueError('boom')")
    config = tmp_path / "rae.toml"
    config.write_text('[jobs.a]\ncommand = ["true"]\n')
    config.chmod(0o600)
    done = site.rae_auto("check", "--json", "--config", str(config))
    (warning,) = json.loads(done.stdout)["warnings"]
    assert warning.startswith('command "greet" of rae_command_greet 1.0 is broken: ')
    assert (done.returncode, done.stderr) == (0, "hello\n")
