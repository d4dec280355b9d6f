"""Writes the page of the grades of plugins: the rules, and what each plugin that comes with rae-auto reaches."""

import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from rae_auto.offline.authoring.grading import grade_plugins
from rae_auto.registry import Registry
from rae_auto.registry.index import OWN_DISTRIBUTION
from rae_auto.registry.inspection import find_projects_plugins
from rae_auto.registry.inspection.grade_report import GradeReport
from rae_auto.registry.inspection.grades import (
    FAULT_TESTS,
    GRADE_RULES,
    HARMLESS_FAULTS,
    SUITE_FAULTS,
    SUITES,
    RuleOutcome,
)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.probes.plugin_branches import read_record  # noqa: E402

UNMEASURED = ("import",)
"""Rules whose result depends on the machine and on what was imported before."""

INTRO = """# Grades of plugins

`rae-auto plugins grade` computes how far a plugin can be relied on. A grade is reached when all its
rules, and those of the grades below, have passed. What can't be computed is *not checked*, and
doesn't count as passed:

```console
$ rae-auto plugins grade cron
```

- It takes the folder of a project, a file, or a name, as `plugins check` does. A plugin that was
  installed without its project has neither tests nor a README, so its suite is not checked.
- The rule `suite` passes when a test class inherits the suite of the plugin's kind. `--run-tests`
  runs the tests too, and fails the rule if they fail.
- `--badge FILE` writes the lowest grade of the plugins as an image in SVG, and `--json` prints all
  verdicts. `rae-auto plugins list --grades` has a column with the grades.
- The rule `examples` tries each example of the page: TOML makes the plugin, a command line its
  options. A project keeps the files that its examples name in `docs/examples/home`, which is then
  the home.
- The rule `trace` looks for calls of `TriggerContext.trace` in a source. What the other kinds
  decide is shown by rae-auto itself.
- The rule `branches` needs `--run-tests`, and the package `coverage`. It fails if one branch, or
  one line, of the plugin is run by none of the tests of its project.
- The rule `import` measures time of the processor, not of the clock on the wall.

## Rules

| grade | rule | the plugin … |
|---|---|---|
"""

FAULTS = """
## Faults

What `faults` demands of each kind: the test of its suite, a reason why the fault can't harm it, or
a test of your own with a word of the fault in its name. A plugin that writes files needs a test of
a full disk, whatever its kind; commands don't.

| kind | fault | played by, or harmless because |
|---|---|---|
"""

TABLE = """
## Plugins that come with rae-auto

Their tests run before each release, so they are not run again for this table. It leaves out the
rule `import`, whose time is another one on each machine: `rae-auto plugins grade NAME` measures it.
Branches are those that `python -m tests.probes.plugin_branches` has counted in the files as they
are now.

| plugin | grade | failed | not checked |
|---|---|---|---|
"""


def grade_page() -> str:
    """Return the page."""
    rules = [f"| {rule.grade} | `{rule.name}` | {rule.meaning} |\n" for rule in GRADE_RULES]
    rows = [_row(report) for report in graded()]
    return "".join([INTRO, *rules, FAULTS, *_fault_rows(), TABLE, *rows])


def _fault_rows() -> Iterator[str]:
    for contract in SUITES:
        for fault in FAULT_TESTS:
            test = SUITE_FAULTS.get(contract, {}).get(fault)
            text = f"`{test}`" if test else HARMLESS_FAULTS[contract][fault]
            yield f"| `{contract.__name__}` | {fault} | {text} |\n"


@lru_cache
def graded() -> Sequence[GradeReport]:
    """Return the grades of the built-in plugins, and of those of contrib."""
    infos = [info for info in Registry().infos() if info.distribution == OWN_DISTRIBUTION]
    for project in sorted((ROOT / "contrib").glob("rae-*")):
        found, folders = find_projects_plugins(project)
        infos += found
        sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]
    return grade_plugins(infos, without=UNMEASURED, recorded=read_record())


def _row(report: GradeReport) -> str:
    info = report.evidence.inspection.info
    by_outcome = [
        ", ".join(f"`{rule.name}`" for rule, verdict in report.verdicts if verdict.outcome is outcome)
        for outcome in (RuleOutcome.FAILED, RuleOutcome.NOT_CHECKED)
    ]
    return f"| {info.kind} `{info.name}` | {report.grade or 'none'} | {' | '.join(by_outcome)} |\n"
