"""Source files that the rules about plugins read: parsed once, and again when they change."""

import os
from pathlib import Path

from rae_auto.registry.inspection.module_rules import parse_source, source_findings


def test_source_is_parsed_once_for_all_rules(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text("import rae_auto.engine\n")
    assert parse_source(path) is parse_source(path)
    assert [finding.rule for finding in source_findings(path)] == ["private-import"]


def test_source_is_parsed_again_after_a_change(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text("import rae_auto.engine\n")
    before = parse_source(path)
    path.write_text("import rae_auto.api.xx\n")
    os.utime(path, ns=(1, 1))
    assert parse_source(path) is not before
    assert source_findings(path) == []


def test_source_that_is_gone_or_broken_is_empty(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def (")
    assert [list(parse_source(tmp_path / name).nodes) for name in ("bad.py", "gone.py")] == [[], []]
