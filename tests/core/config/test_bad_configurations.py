"""Messages about mistakes in a configuration: place, problem and remedy in one line each.

The table is `bad_configurations.txt`: a title, the file, and the lines without the file's name.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from rae_auto.api.plugin import PluginSource
from rae_auto.config import check, job_reader, load
from rae_auto.errors import ConfigError

TABLE = (Path(__file__).parent / "bad_configurations.txt").read_text(encoding="utf-8")
CASES = [block.split("\n", 1) for block in TABLE.removeprefix("### ").split("\n### ")]
KEYS = (
    "defaults, enabled, history, include, jobs, loggers, max_parallel, max_queue, notifiers, plugins, resources, "
    "secret_commands, shutdown_grace, state, store, timezone, watch_config"
)
X = "x" * 100_000

OVERSIZED = {
    "a long name": (
        f'[jobs.{X}]\nshell = "x"',
        f'1: jobs."{X[:63]}…": invalid job name "{X[:70]}…"; use 1 to 64 letters, digits, "-" or "_"',
    ),
    "a long key": (f"{X} = 1", f'1: "{X[:63]}…": unknown key; valid keys: {KEYS}'),
    "a long word": (
        f'[jobs.a]\nshell = "x"\noverlap = "{X}"',
        f'3: jobs.a.overlap: must be one of skip, queue, replace, allow, not the text "{X[:39]}…"',
    ),
    "a long duration": (
        f'shutdown_grace = "{X}"',
        f'1: shutdown_grace: invalid duration "{X[:60]}…"; use a number and a unit, as in "90s" or "1h30m"',
    ),
    "30 digits": (f"max_parallel = {'9' * 30}", "1: max_parallel: number too large; use at most 64 bits"),
    "5000 digits": (f"\nmax_parallel = {'9' * 5000}", "2: number too large; use at most 64 bits"),
    "100 levels": (
        f"max_parallel = {'[' * 100}{']' * 100}",
        "1: max_parallel: must be a whole number, not a list\n"
        f"1: max_parallel{'[0]' * 32}: nested too deeply; use at most 32 levels",
    ),
    "20000 levels": (
        f"max_parallel = {'[' * 20_000}{']' * 20_000}",
        "lists or tables are nested too deeply; use at most 32 levels",
    ),
    "500 dotted levels": (
        f"loggers{'.a' * 500} = 1",
        f"1: loggers{'.a' * 32}: nested too deeply; use at most 32 levels\n1: loggers: must be a list, not a table",
    ),
    "100000 dotted levels": (f"loggers{'.a' * 100_000} = 1", "1: has a key of more than 1000 parts; shorten it"),
}


def lines_about(path: Path, plugins: PluginSource) -> list[str]:
    """Return the messages of `load` without the file's name; `check` returns the same."""
    with pytest.raises(ConfigError) as caught:
        load(path, plugins)
    assert check(path, plugins).errors == caught.value.problems
    assert all(line.isprintable() and len(line) < 1000 for line in caught.value.problems)
    return [line.removeprefix(f"{path}:").removeprefix(" ") for line in caught.value.problems]


@pytest.mark.requirement("R38", "S1", "S2", "S3")
@pytest.mark.parametrize("case", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_load_reports_the_problems_of_a_bad_configuration(
    case: str, write: Callable[[str], Path], plugins: PluginSource
) -> None:
    text, lines = case.split("\n--->\n")
    assert lines_about(write(text), plugins) == lines.strip().split("\n")


@pytest.mark.requirement("R38")
@pytest.mark.parametrize(("text", "lines"), OVERSIZED.values(), ids=OVERSIZED)
def test_load_reports_oversized_values_in_short_lines(
    text: str, lines: str, write: Callable[[str], Path], plugins: PluginSource
) -> None:
    assert lines_about(write(text), plugins) == lines.split("\n")


def test_load_reports_at_most_100_problems(write: Callable[[str], Path], plugins: PluginSource) -> None:
    path = write("".join(f"unknown-{number} = 1\n" for number in range(500)))
    lines = lines_about(path, plugins)
    assert len(lines) == 101
    assert lines[-1] == "and 400 more problems"


def test_load_says_why_the_machine_cannot_be_woken(
    write: Callable[[str], Path], plugins: PluginSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_reader, "find_wake_obstacle", lambda: "only root may set alarms; run the daemon as root")
    assert lines_about(write('[jobs.a]\nshell = "x"\nwake = true'), plugins) == [
        "3: jobs.a.wake: can't be done: only root may set alarms; run the daemon as root, or remove it"
    ]


def test_load_gives_the_command_that_repairs_permissions(write: Callable[[str], Path], plugins: PluginSource) -> None:
    path = write("")
    path.chmod(0o666)
    assert lines_about(path, plugins) == [f"is writable by everyone; run 'chmod go-w {path}'"]
