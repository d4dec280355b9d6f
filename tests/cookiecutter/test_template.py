"""The plugin template: each kind renders, installs, is found, and passes its own tests."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "cookiecutter-plugin"
KINDS = json.loads((TEMPLATE / "cookiecutter.json").read_text())["kind"]


def render(kind: str, target: Path, **answers: str) -> Path:
    given = {"kind": kind, "name": "lunar-phase", **answers}
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
def test_plugin_of_each_kind_installs_and_passes_its_tests(kind: str, tmp_path: Path) -> None:
    project, site = install(kind, tmp_path)

    listed = json.loads(run("rae_auto", "plugins", "--json", site=site, cwd=project))
    (row,) = [row for row in listed if row["name"] == "lunar-phase"]
    assert (row["kind"], row["distribution"], row["state"]) == (kind, f"rae-{kind}-lunar-phase", "installed")
    shown = json.loads(run("rae_auto", "plugins", "show", kind, "lunar-phase", "--json", site=site, cwd=project))
    assert all(option["help"] for option in shown["options"])
    assert " passed" in run("pytest", "-q", "-p", "no:cacheprovider", "-W", "error", site=site, cwd=project)


@pytest.mark.parametrize("kind", KINDS)
def test_configuration_in_the_readme_is_valid(kind: str, tmp_path: Path) -> None:
    project, site = install(kind, tmp_path)
    example = (project / "README.md").read_text().split("```toml\n")[1].split("```")[0]
    configuration = project / "rae.toml"
    configuration.write_text(example)
    configuration.chmod(0o600)
    run("rae_auto", "check", "--config", configuration, site=site, cwd=project)


def test_answers_with_quotes_render_valid_toml(tmp_path: Path) -> None:
    project = render("logger", tmp_path, author='A "B" C', description='Says "hi" \\ bye.')
    about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert (about["authors"], about["description"]) == ([{"name": 'A "B" C'}], 'Says "hi" \\ bye.')


@pytest.mark.parametrize("name", ["two words", "9lives", "../up", "", 'qu"ote'])
def test_invalid_name_is_refused_and_renders_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(FailedHookException):
        render("trigger", tmp_path, name=name)
    assert list(tmp_path.rglob("pyproject.toml")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_rendered_project_is_complete_and_passes_ruff(kind: str, tmp_path: Path) -> None:
    project = render(kind, tmp_path)
    files = [path for path in project.rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == sorted(
        ["README.md", "pyproject.toml", f"rae_{kind}_lunar_phase.py", f"test_rae_{kind}_lunar_phase.py"]
    )
    assert [path for path in files if "cookiecutter" in path.read_text() or "{%" in path.read_text()] == []
    run("ruff", "check", "--no-cache", "--line-length=120", project, site=tmp_path, cwd=project)
