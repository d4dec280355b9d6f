"""Each plugin in contrib/ as a third-party plugin: installed, tested, listed and documented."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.contrib_plugins import CONTRIB, install_contrib_plugin

PROJECTS = sorted(path.parent.name for path in CONTRIB.glob("*/pyproject.toml"))


def python(*command: object, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-m", *map(str, command)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=PROJECTS)
def project(request: pytest.FixtureRequest) -> Path:
    path: Path = CONTRIB / request.param
    return path


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which it is installed."""
    return install_contrib_plugin(project.name, tmp_path_factory.mktemp("plugin"))


@pytest.fixture(autouse=True)
def _installed(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    # Its own tests are no part of what is measured here, nor of how these tests are run.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@pytest.mark.timeout(1000)
@pytest.mark.requirement("S15")
def test_contrib_plugin_passes_its_own_tests(project: Path, tmp_path: Path) -> None:
    options = "-q", "-p", "no:cacheprovider", "--timeout", "200"  # so that a test that hangs is named
    assert " passed" in python("pytest", *options, project, cwd=tmp_path)


def test_contrib_plugin_is_listed_under_its_name(project: Path, tmp_path: Path) -> None:
    kind, name = kind_and_name(project)
    listed = json.loads(python("rae_auto", "plugins", "--json", cwd=tmp_path))
    (found,) = [row for row in listed if (row["kind"], row["name"], row["distribution"]) == (kind, name, project.name)]
    assert found["state"] == "installed"


def test_contrib_readme_has_the_options_of_the_program(project: Path, tmp_path: Path) -> None:
    kind, name = kind_and_name(project)
    shown = json.loads(python("rae_auto", "plugins", "show", kind, name, "--json", cwd=tmp_path))
    table = readme(project).split(f"<!-- options of {kind} {name} -->\n")[1].split("<!-- end -->")[0]
    assert table.splitlines()[2:] == [row(**option) for option in shown["options"]]


def test_contrib_readme_has_no_dead_links(project: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)\)", readme(project))
    assert [target for target in targets if not (project / target).exists()] == []


def test_every_contrib_plugin_is_in_the_list() -> None:
    listed = re.findall(r"\]\(([a-z-]+)/README\.md\)", (CONTRIB / "README.md").read_text())
    assert sorted(listed) == PROJECTS


def kind_and_name(project: Path) -> tuple[str, str]:
    """Return "trigger" and "sun" of rae-trigger-sun."""
    _, kind, name = project.name.split("-", 2)
    return kind, name


def readme(project: Path) -> str:
    return (project / "README.md").read_text()


def row(option: str, type: str, default: str, help: str) -> str:
    """Return a row as docs/generate.py writes it."""
    return f"| `{option}` | {type} | {default if default == 'required' else f'`{default}`'} | {help} |"
