"""The plugin template: each kind renders, installs, is found, and passes its own tests."""

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter

from rae_auto.errors import PluginError
from rae_auto.offline.authoring.template import render_project

pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "cookiecutter-plugin"
KINDS = [
    *json.loads((TEMPLATE / "cookiecutter.json").read_text())["kind"],
    "trigger:source",
    "trigger:pattern",
    "guard:computed",
]
FILES = {
    ".github/workflows/publish.yml",
    ".github/workflows/test.yml",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "pyproject.toml",
}


def render(kind: str, target: Path, **answers: str) -> Path:
    word, _, flavour = kind.partition(":")
    given = {"kind": word, "flavour": flavour or "default", "name": "lunar-phase", **answers}
    settings = target / "settings.yaml"
    settings.write_text(json.dumps({"replay_dir": str(target / "replay"), "cookiecutters_dir": str(target / "cache")}))
    made = cookiecutter(
        str(TEMPLATE), no_input=True, extra_context=given, output_dir=str(target), config_file=str(settings)
    )
    return Path(made)


def run(*command: object, site: Path, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site), "RAE_STATE_DIR": str(cwd / "state")}
    # The plugin's own tests must not inherit options of this run, such as coverage.
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)], capture_output=True, text=True, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(kind: str, target: Path) -> tuple[Path, Path]:
    """Render and install a project; return it and the directory into which it is installed."""
    project, site = render(kind, target), target / "site"
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", site]
    run("pip", "install", *flags, project, site=site, cwd=target)
    return project, site


@pytest.mark.parametrize("kind", KINDS)
def test_plugin_of_each_kind_installs_and_does_what_its_pages_say(kind: str, tmp_path: Path) -> None:
    project, site = install(kind, tmp_path)

    listed = json.loads(run("rae_auto", "plugins", "--json", site=site, cwd=project))
    (row,) = [row for row in listed if row["name"] == "lunar-phase"]
    word = kind.partition(":")[0]
    assert (row["kind"], row["distribution"], row["state"]) == (word, f"rae-{word}-lunar-phase", "installed")
    shown = json.loads(run("rae_auto", "plugins", "show", word, "lunar-phase", "--json", site=site, cwd=project))
    run("rae_auto", "plugins", "check", project, site=site, cwd=project)
    assert all(option["help"] for option in shown["options"])
    assert " passed" in run("pytest", "-q", "-p", "no:cacheprovider", "-W", "error", site=site, cwd=project)

    configuration = project / "rae.toml"
    configuration.write_text((project / "README.md").read_text().split("```toml\n")[1].split("```")[0])
    configuration.chmod(0o600)
    run("rae_auto", "check", "--config", configuration, site=site, cwd=project)


@pytest.mark.parametrize("description", ['Says "hi" \\ bye"', '"""', "ends with \\", "{{ cookiecutter }}", "# {% x %}"])
def test_odd_descriptions_are_escaped(description: str, tmp_path: Path) -> None:
    project = render_project(tmp_path, {"kind": "logger", "name": "x", "author": 'A "B" C', "description": description})
    about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert (about["authors"], about["description"]) == ([{"name": 'A "B" C'}], description)
    module = ast.parse((project / "src" / "rae_logger_x" / "__init__.py").read_text())
    assert ast.get_docstring(module, clean=False) == description


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        *(
            ({"name": name}, "invalid name")
            for name in ("two words", "9lives", "../up", "", 'qu"ote', "a-", "A", "a" * 65)
        ),
        ({"name": "cron"}, "comes with rae-auto"),
        ({"kind": "command", "name": "check"}, "comes with rae-auto"),
        ({"kind": "store", "flavour": "source"}, "can't be source"),
        ({"description": "two\nlines"}, "invalid description"),
        ({"description": "x" * 91}, "at most 90 characters"),
    ],
)
def test_odd_answers_are_refused_and_render_nothing(answers: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=message):
        render_project(tmp_path, {"kind": "trigger", "name": "x", **answers})
    assert list(tmp_path.iterdir()) == []


def test_cookiecutter_refuses_a_name_too(tmp_path: Path) -> None:
    with pytest.raises(FailedHookException):
        render("trigger", tmp_path, name="two words")
    assert list(tmp_path.rglob("pyproject.toml")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_plugins_new_makes_what_cookiecutter_makes(kind: str, tmp_path: Path) -> None:
    project = render(kind, tmp_path)
    word, _, flavour = kind.partition(":")
    given = {"kind": word, "flavour": flavour or "default", "name": "lunar-phase"}
    (tmp_path / "new").mkdir()
    made = render_project(tmp_path / "new", given)
    assert read_files(made) == read_files(project)
    module = f"rae_{word}_lunar_phase"
    files = FILES | {f"src/{module}/__init__.py", f"src/{module}/py.typed", f"tests/test_{module}.py"}
    assert set(read_files(made)) == files
    assert [name for name, text in read_files(made).items() if text.startswith("\n")] == []
    assert [name for name, text in read_files(made).items() if "cookiecutter" in text or "{%" in text] == []
    run("ruff", "check", "--no-cache", "--line-length=120", made, site=tmp_path, cwd=made)


def read_files(project: Path) -> dict[str, str]:
    return {str(path.relative_to(project)): path.read_text() for path in project.rglob("*") if path.is_file()}
