"""Mistakes of people who come from cron, systemd, YAML and shells, with the lines that `check` answers.

The table is `newcomer_mistakes.txt`: a title, the file, and the lines without the file's name. It uses the built-in
plugins, as people do; `tests/core/config/bad_configurations.txt` has the rules of the configuration itself.
"""

from pathlib import Path

import pytest
from attrs import fields_dict

from rae_auto.api.plugin import Kind
from rae_auto.checks.check import check_file
from rae_auto.model.policies import NotifyPolicy
from rae_auto.registry import Registry

TABLE = (Path(__file__).parent / "newcomer_mistakes.txt").read_text(encoding="utf-8")
CASES = [block.split("\n", 1) for block in TABLE.removeprefix("### ").split("\n### ")]


@pytest.mark.requirement("R38")
@pytest.mark.parametrize("case", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_check_explains_a_mistake_of_a_newcomer(case: str, tmp_path: Path) -> None:
    text, lines = case.split("\n--->\n")
    path = tmp_path / "rae.toml"
    path.write_text(text)
    path.chmod(0o600)
    report = check_file(path, Registry())
    assert report.errors
    shown = [*report.errors, *(f"warning: {line}" for line in report.warnings)]
    lines = lines.replace("NOTIFIERS", ", ".join(sorted(Registry().names(Kind.NOTIFIER))))
    lines = lines.replace("KEYS", ", ".join(sorted(fields_dict(NotifyPolicy))))
    assert [line.replace(f"{path}:", "") for line in shown] == lines.strip().split("\n")
    assert all(line.isprintable() for line in shown)
