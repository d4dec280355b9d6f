"""Variables that a job inherits: a documented list of the daemon's, and those that it asks for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.runs import make_run

from rae_auto.model.job import Job
from rae_auto.model.reasons import Manual
from rae_auto.runtime.execution.assignments import build_assignment
from rae_auto.toolkit.environment import INHERITED

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "plugins" / "executors" / "process.md"
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
OWN = {
    "HOME": "/home/me",
    "LC_TIME": "de_DE.UTF-8",
    "SSH_AUTH_SOCK": "/run/agent",
    "https_proxy": "http://proxy:3128",
    "NO_PROXY": "localhost",
    "TZ": "Europe/Berlin",
    "RAE_STATE_DIR": "/var/lib/rae",
    "RAE_CONFIG": "/etc/rae.toml",
    "AWS_PROFILE": "home",
    "AWS_REGION": "eu-central-1",
    "PYTHONPATH": "/opt",
}


def environment(**fields: Any) -> Mapping[str, str]:
    job = Job(id="a", command="env", **fields)
    run = make_run(job.id, at=NOON, trigger="manual", cause=Manual(), attempt=1)
    return build_assignment(run, job, Path("/state"), OWN).environment


def test_locale_zone_agent_and_proxies_are_inherited() -> None:
    inherited = environment()
    assert {name for name in OWN if name in inherited} == set(OWN) - {"AWS_PROFILE", "AWS_REGION", "PYTHONPATH"}


@pytest.mark.parametrize(
    ("names", "passed"),
    [(["PYTHONPATH"], {"PYTHONPATH"}), (["AWS_*"], {"AWS_PROFILE", "AWS_REGION"}), (["NOT_SET"], set())],
)
def test_pass_env_adds_variables_by_name_and_pattern(names: list[str], passed: set[str]) -> None:
    assert set(environment(pass_env=names)) - set(environment()) == passed


def test_own_variables_of_a_job_take_precedence() -> None:
    assert environment(env={"TZ": "UTC"})["TZ"] == "UTC"


def test_inherited_variables_are_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    windows = {"APPDATA", "COMSPEC", "LOCALAPPDATA", "PATHEXT", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE"}
    names = {name for name in INHERITED if not name.startswith("LC_")} - windows
    assert {name for name in names if f"`{name}`" not in page} == set()
