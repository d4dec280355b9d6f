"""Detection of how rae-auto was installed, on environments as the tools lay them out."""

import os
from pathlib import Path

import pytest

from rae_auto.errors import SchedulerError
from rae_auto.service.installation import find_installation


def environment(root: Path, *files: str) -> Path:
    script = root / "bin" / "rae-auto"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    for name in files:
        (root / name).write_text("")
    return root


@pytest.mark.skipif(os.name == "nt", reason="scripts have other names on Windows")
@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["pyvenv.cfg"], "venv"),
        (["pyvenv.cfg", "pipx_metadata.json"], "pipx"),
        (["pyvenv.cfg", "uv-receipt.toml"], "uv tool"),
        ([], "system"),
    ],
)
def test_installation_names_the_tool_and_its_script(tmp_path: Path, files: list[str], kind: str) -> None:
    root = environment(tmp_path / "env", *files)
    found = find_installation(root)
    assert (found.kind, found.command) == (kind, (str(root / "bin" / "rae-auto"),))
    assert found.describe().startswith(kind)


def test_installation_for_one_run_is_refused(tmp_path: Path) -> None:
    root = environment(tmp_path / ".cache" / "uv" / "archive-v0" / "abc", "pyvenv.cfg")
    with pytest.raises(SchedulerError, match="uv tool install"):
        find_installation(root)


def test_installation_of_this_interpreter_can_be_started() -> None:
    program = find_installation().command[0]
    assert os.access(program, os.X_OK)
    assert Path(program).is_absolute()
