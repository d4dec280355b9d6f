"""Contents of the wheel: the two packages, typed, with their schema, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rae_auto

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {"rae_auto": ROOT / "core" / "rae_auto", "rae_plugins": ROOT / "plugins" / "rae_plugins"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*pip, "-w", target, ROOT], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = target.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_module_of_both_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    modules = {
        (Path(package) / path.relative_to(source)).as_posix()
        for package, source in SOURCES.items()
        for path in source.rglob("*.py")
    }
    data = {"rae_auto/py.typed", "rae_plugins/py.typed", "rae_plugins/commands/mcp/SKILL.md"}
    data.add("rae_auto/config/hints/other_distributions.toml")
    data |= {f"rae_auto/cli/hooks/hook.{shell}" for shell in ("bash", "fish", "zsh")}
    page = SOURCES["rae_plugins"] / "commands" / "ui"
    files = [path for folder in ("static", "templates") for path in (page / folder).iterdir()]
    data |= {(Path("rae_plugins") / path.relative_to(SOURCES["rae_plugins"])).as_posix() for path in files}
    data.add(f"rae_auto-{rae_auto.__version__}.data/data/share/man/man1/rae-auto.1")
    template = ROOT / "cookiecutter-plugin"
    data |= {
        f"rae_auto/plugin_template/{path.relative_to(template).as_posix()}"
        for path in template.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == modules | data


def test_the_wheel_says_what_it_is(wheel: zipfile.ZipFile) -> None:
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    assert info == f"rae_auto-{rae_auto.__version__}.dist-info"
    about = {name.removeprefix(f"{info}/") for name in wheel.namelist() if name.startswith(f"{info}/")}
    assert about == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}


def test_every_entry_point_names_a_module_of_the_wheel(wheel: zipfile.ZipFile) -> None:
    (path,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    lines = [line for line in wheel.read(path).decode().splitlines() if "=" in line]
    targets = [line.split("=")[1].strip().split(":")[0].replace(".", "/") for line in lines]
    names = set(wheel.namelist())
    assert [target for target in targets if not {f"{target}.py", f"{target}/__init__.py"} & names] == []
