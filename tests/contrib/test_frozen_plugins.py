"""Plugins that were built for version 1.0 of the plugin API, as wheels: each later version must run them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.separate_sites import run_commands, run_python

WHEELS = sorted((Path(__file__).parents[1] / "frozen").glob("*.whl"))

CONFIG = """
timezone = "UTC"
[notifiers.lines]
type = "frozen-lines"
path = "notices.txt"
[jobs.six]
command = ["one", "two"]
executor = "frozen-echo"
trigger = { type = "frozen-hours", hours = 6 }
guards = ["frozen-mornings"]
guard_timeout = "0s"
[jobs.bad]
command = ["three"]
executor = { type = "frozen-echo", code = 4 }
notify = { on = ["failure"], via = ["lines"] }
"""

RUN = """
import asyncio, json, sys
from pathlib import Path
from rae_auto import Job, PluginRef, Scheduler, NotifyPolicy

async def main():
    echo = PluginRef("frozen-echo", {"code": 4})
    job = Job(id="bad", command=["three"], executor=echo, notify=NotifyPolicy(on=("failure",)))
    lines = {"lines": PluginRef("frozen-lines", {"path": "notices.txt"})}
    async with Scheduler(directory=Path("state"), jobs=[job], notifiers=lines) as scheduler:
        run = await scheduler.wait(await scheduler.trigger("bad"))
        for _ in range(500):
            if Path("notices.txt").exists():
                break
            await asyncio.sleep(0.02)
    (output,) = (path for path in Path("state/output/bad").rglob("*") if path.is_file())
    print(json.dumps([run.state, run.exit_code, output.read_text(), Path("notices.txt").read_text()]))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheels are installed, beside a configuration that uses them."""
    folder = tmp_path_factory.mktemp("frozen")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*command, "--target", str(folder / "site"), *map(str, WHEELS)], check=True, timeout=55)
    (folder / "rae.toml").write_text(CONFIG)
    (folder / "rae.toml").chmod(0o600)
    return folder / "site"


@pytest.fixture(scope="module")
def answers(site: Path) -> dict[str, Any]:
    """The outputs of commands about these plugins, by command."""
    commands = [
        ("check",),
        ("simulate", "--from", "2026-03-01T00:30Z", "--json", "--no-pauses"),
        ("plugins", "list", "--json"),
        ("plugins", "show", "trigger", "frozen-hours", "--json"),
    ]
    found = run_commands(site, *commands)
    assert [code for code, _, _ in found] == [0, 0, 0, 0], found
    return {" ".join(command[:2]): out for command, (_, out, _) in zip(commands, found, strict=True)}


def test_frozen_wheels_are_four() -> None:
    assert [wheel.name.split("_")[1] for wheel in WHEELS] == ["executor", "guard", "notifier", "trigger"]


def test_check_finds_nothing_in_frozen_plugins(answers: dict[str, Any]) -> None:
    assert "is valid: 2 jobs, no warnings" in answers["check"]


def test_frozen_schedule_and_guard_decide_as_before(answers: dict[str, Any]) -> None:
    forecast = json.loads(answers["simulate --from"])
    starts = [run["started_at"][11:16] for run in forecast["runs"] if run["started_at"]]
    assert starts == ["06:00", "00:00"]
    assert forecast["problems"] == {}


def test_frozen_plugins_are_listed_with_their_options(answers: dict[str, Any]) -> None:
    listed = {one["name"]: one for one in json.loads(answers["plugins list"])}
    assert {listed[name]["version"] for name in listed if name.startswith("frozen-")} == {"1.0"}
    (option,) = json.loads(answers["plugins show"])["options"]
    assert (option["option"], option["type"], option["default"]) == ("hours", "number", "1")


def test_frozen_executor_and_notifier_carry_out_a_run(site: Path) -> None:
    state, code, output, notices = run_python(site, RUN)
    assert (state, code, output) == ("failed", 4, "three\n")
    assert notices == "failure bad 4\n"
