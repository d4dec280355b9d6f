"""Rules for notices that have no effect: `check` names those that a job writes, and not those that it inherits."""

from pathlib import Path

import pytest

from rae_auto.checks.check import check_file
from rae_auto.registry import Registry

NOTIFIER = '[notifiers.ops]\ntype = "command"\ncommand = ["true"]\n'


def find_warnings(directory: Path, notify: str, more: str = "", defaults: str = "") -> list[str]:
    """Return the warnings about a job with these rules, without the place."""
    path = directory / "rae.toml"
    shared = f"[defaults]\nnotify = {defaults}\n" if defaults else ""
    path.write_text(f'{NOTIFIER}{shared}[jobs.a]\ncommand = ["true"]\nnotify = {notify}\n{more}')
    path.chmod(0o600)
    report = check_file(path, Registry())
    assert not report.errors
    return [line.partition(": ")[2] for line in report.warnings]


@pytest.mark.parametrize(
    ("notify", "warning"),
    [
        ('{ via = ["ops"] }', 'jobs.a.notify.via: has no effect without on; add on = ["failure"]'),
        ('{ on = ["success"], after = 2 }', 'after: has no effect without "failure" in on; add that, or remove it'),
        ('{ on = ["recovery"], every = 2 }', 'every: has no effect without "failure" in on; add that, or remove it'),
        ('{ on = ["failure"], skips = 2 }', 'skips: has no effect without "skipped" in on; add that, or remove it'),
        ('{ on = ["late"] }', 'on: "late" has no effect without expect.every; add expect = { every = "…" }'),
        (
            '{ on = ["overrun"] }',
            'has no effect without expect.max_runtime; add expect = { max_runtime = "…" }',
        ),
    ],
)
def test_check_warns_of_a_rule_without_effect(notify: str, warning: str, tmp_path: Path) -> None:
    (line,) = find_warnings(tmp_path, notify)
    assert line.endswith(warning)


@pytest.mark.parametrize(
    ("notify", "more"),
    [
        ('{ on = ["recovery"], after = 2 }', ""),
        ('{ on = ["failure", "skipped"], after = 2, every = 3, skips = 9 }', ""),
        ('{ on = ["late", "overrun"] }', 'expect = { every = "1d", max_runtime = "1h" }'),
    ],
)
def test_rules_with_an_effect_are_no_reason_for_a_warning(notify: str, more: str, tmp_path: Path) -> None:
    assert find_warnings(tmp_path, notify, more) == []


def test_inherited_rules_need_not_have_an_effect_on_each_job(tmp_path: Path) -> None:
    defaults = '{ on = ["failure", "late"], after = 3, skips = 2 }'
    assert find_warnings(tmp_path, '{ via = ["ops"] }', defaults=defaults) == []
    assert find_warnings(tmp_path, '{ on = ["success"] }', defaults=defaults) == []
