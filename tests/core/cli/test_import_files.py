"""rae-auto import of files as people have them: the result passes check, and its times are right."""

import shutil
from pathlib import Path

import pytest

FILES = Path(__file__).parents[2] / "plugins" / "commands" / "imported_files"


@pytest.mark.parametrize("kind", sorted(path.name for path in FILES.iterdir()))
def test_every_file_becomes_a_configuration(
    offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    shutil.copytree(FILES / kind, tmp_path / kind)
    monkeypatch.chdir(tmp_path)
    said = offline("import", kind, kind)
    assert said.code == 0, said.err
    assert "all equal" in said.out
    assert offline("check").code == 0


@pytest.mark.parametrize("kind", sorted(path.name for path in FILES.iterdir()))
def test_source_of_another_program_is_switched_off_there(offline, tmp_path: Path, kind: str) -> None:
    said = offline("import", kind, str(FILES / kind), "--disable-source", "--output", str(tmp_path / "x.toml"))
    assert (said.code, f"--disable-source is not for {kind}; " in said.err) == (2, True)
    assert "--restore-source is not for" in offline("import", kind, "--restore-source").err


def test_kinds_of_one_file_take_one(offline, tmp_path: Path) -> None:
    said = offline("import", "crontab", "a", "b")
    assert (said.code, "takes one file or folder of crontab" in said.err) == (2, True)
