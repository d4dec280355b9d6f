"""The example of docs/simulate.md prints what the page says."""

import re
import shlex
from pathlib import Path

import pytest

from rae_auto.cli.program import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulate.md"


def test_the_example_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"^```(?:toml|console|text)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    config, command, printed = blocks[:3]
    path = tmp_path / "rae.toml"
    path.write_text(config)
    path.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    assert run(shlex.split(command)[2:]) == 0
    assert capsys.readouterr().out == printed
