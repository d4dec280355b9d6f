"""Grades of planted plugins: each reaches what its project deserves, and a project that lacks one thing loses it."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from attrs import evolve

from rae_auto.api import SourceTrigger
from rae_auto.offline.authoring.grading import draw_badge, lowest_grade
from rae_auto.registry.index import PluginInfo
from rae_auto.registry.inspection import Inspection
from rae_auto.registry.inspection import grades as rules
from rae_auto.registry.inspection.grade_report import compute_grade
from rae_auto.registry.inspection.grades import GRADE_RULES, Evidence, Grade, RuleOutcome
from rae_auto.testing import executors, sources, store_faults, stores

PLUGIN = '''"""Hourly starts."""

from datetime import UTC, datetime, timedelta

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl

RAE_API = 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen(kw_only=True)
class Hourly(ScheduleTrigger):
    """Fires every few hours."""

    type = "planted-hourly"
    example = {"every": 2}
    every: int = field(default=1, metadata={"help": "hours"})

    def next_after(self, instant: datetime) -> datetime | None:
        """Return a later instant."""
        span = timedelta(hours=self.every)
        try:
            return EPOCH + ((instant - EPOCH) // span + 1) * span
        except OverflowError:
            return None


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """Return the trigger."""
    return [Hourly]
'''
PROJECT = """
[project]
name = "rae-trigger-planted-hourly"
version = "1.0"
dependencies = ["rae-auto"]
[project.entry-points."rae_auto.triggers"]
planted-hourly = "rae_planted_hourly"
"""
TESTS = """
import pytest
from rae_planted_hourly import Hourly
from rae_auto.testing.triggers import ScheduleConformance

class TestConforms(ScheduleConformance):
    @pytest.fixture
    def plugin(self):
        return Hourly(every=3)
"""
MODULE, SUITE = "src/rae_planted_hourly/__init__.py", "tests/test_hourly.py"
FILES = {
    MODULE: PLUGIN,
    "src/rae_planted_hourly/py.typed": "",
    SUITE: TESTS,
    "README.md": '# planted-hourly\n\n```toml\ntrigger = { type = "planted-hourly", every = 2 }\n```\n',
    "pyproject.toml": PROJECT,
}

UNTYPED = ("instant: datetime) -> datetime | None", "instant)")
SECRET_OPTION = ("    every: int", '    password: str = field(default="", metadata={"help": "p"})\n    every: int')
OTHER_OPTION = ("    every: int", '    offset: int = field(default=0, metadata={"help": "minutes"})\n    every: int')
ASKS_WINDOWS = (
    "    def next_after",
    "    @classmethod\n    def available(cls) -> str | None:\n        import sys\n"
    '        return 3 if sys.platform == "win32" else None\n\n    def next_after',
)
ASKS_FOR_PROGRAM = (
    "    def next_after",
    "    @classmethod\n    def available(cls) -> str | None:\n        import shutil\n"
    '        return None if shutil.which("sh") else 3\n\n    def next_after',
)
"""The standard library's own answer depends on the platform, and fails where the platform is only named."""
CLOCK = ("((instant - EPOCH)", '((max(instant, getattr(datetime, "now")(UTC)) - EPOCH)')
"""Found only where the reading is made: no rule over the source sees it."""
WRITES = (
    "    def next_after",
    "    def save(self) -> None:\n        with open('x', mode='a') as file:\n            file.write('x')\n\n"
    "    def next_after",
)
CASES = [
    ("complete", None, ("", ""), "gold", ""),
    ("raises", MODULE, ("RAE_API = 1", "RAE_API = 1 / 0"), None, "loads"),
    ("reads", MODULE, ("RAE_API = 1", "RAE_API = 1\nTEXT = open(__file__).read()"), None, "import"),
    ("no help", MODULE, ('metadata={"help": "hours"}', "metadata={}"), None, "options"),
    ("no suite", SUITE, ("(ScheduleConformance)", ""), None, "suite"),
    ("Windows", MODULE, ASKS_WINDOWS, "bronze", "available"),
    ("program", MODULE, ASKS_FOR_PROGRAM, "gold", ""),
    ("secret", MODULE, SECRET_OPTION, None, "options secrets examples"),
    ("no example", MODULE, OTHER_OPTION, "silver", "examples"),
    ("no page", "README.md", (FILES["README.md"], "# Another"), "silver", "page"),
    ("untyped", MODULE, UNTYPED, "gold", "types"),
    ("clock", MODULE, CLOCK, "silver", "faults replay"),
    ("writes", MODULE, WRITES, "silver", "faults"),
]  # fmt: skip
"""By what is planted: the file that changes, the change, and the grade and the rule that follow."""


def lay_out(root: Path, file: str | None = None, change: tuple[str, str] = ("", "")) -> Path:
    for name, text in FILES.items():
        path = root / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert name != file or change[0] in text, "the change changes nothing"
        path.write_text(text.replace(*change, 1) if name == file else text)
    return root / "project"


def run(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "rae_auto", "plugins", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("what", "file", "change", "grade", "rule"), CASES, ids=[case[0] for case in CASES])
def test_planted_plugin_gets_its_grade(tmp_path, what, file, change, grade, rule):
    (report,) = json.loads(run("grade", lay_out(tmp_path, file, change), "--json"))
    assert report["grade"] == grade, report
    missed = [one for one in report["rules"] if one["outcome"] != "passed"]
    if what != "raises":
        assert {one["name"] for one in missed} == {*rule.split(), "branches"}
    assert all(";" in one["text"] for one in missed if one["name"] in rule), "the verdict has no remedy"


def test_module_that_may_not_be_imported_costs_no_grade(tmp_path):
    forbid = (
        "    def next_after",
        "    @classmethod\n    def available(cls) -> str | None:\n        import sys\n"
        '        sys.modules["readline"] = None\n        return None\n\n    def next_after',
    )
    assert "raised" not in run("grade", lay_out(tmp_path, MODULE, forbid))


def test_grade_prints_each_rule_and_the_next_grade_in_words(tmp_path):
    project = lay_out(tmp_path, MODULE, OTHER_OPTION)
    lines = run("grade", project).splitlines()
    assert lines[0].endswith("up to silver; gold failed: examples")
    assert len(lines) == 1 + len(GRADE_RULES)
    assert "not run here; --run-tests does" in lines[4]


def test_tests_run_only_when_asked(tmp_path):
    project = lay_out(tmp_path, SUITE, ("every=3", "every=None"))
    assert json.loads(run("grade", project, "--json"))[0]["grade"] == "gold"
    assert json.loads(run("grade", project, "--run-tests", "--json"))[0]["grade"] is None  # its tests fail


def test_plugin_with_tests_of_every_branch_is_platinum(tmp_path):
    report, *_ = json.loads(run("grade", lay_out(tmp_path), "--run-tests", "--json"))
    assert (report["grade"], report["next_grade"]) == ("platinum", None), report
    branch = ("        span", "        if self.every > 5:\n            return None\n        span")
    report, *_ = json.loads(run("grade", lay_out(tmp_path / "other", MODULE, branch), "--run-tests", "--json"))
    verdicts = {one["name"]: one["text"] for one in report["rules"]}
    assert report["grade"] == "gold"
    assert "branches are taken by no test, the first at" in verdicts["branches"]


def test_badge_file_shows_the_grade(tmp_path):
    badge = tmp_path / "badge.svg"
    run("grade", lay_out(tmp_path), "--badge", badge)
    texts = [element.text for element in ElementTree.parse(badge).getroot().iter() if element.tag.endswith("text")]
    assert texts == ["rae-auto", "gold"]


@pytest.mark.parametrize("grade", [*Grade, None])
def test_badge_is_an_image_of_each_grade(grade):
    root = ElementTree.fromstring(draw_badge(grade))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["aria-label"] == str(grade or "no grade")


def test_list_has_a_column_of_grades_when_asked():
    rows = {(row["kind"], row["name"]): row for row in json.loads(run("list", "--grades", "--json"))}
    # Not of a certain plugin: on a busy machine the import of one may take longer than a grade allows.
    assert {row["grade"] for row in rows.values()} & set(Grade)
    assert "grade" not in json.loads(run("list", "--load", "--json"))[0]


INFO = PluginInfo("trigger", "planted", "planted", "rae-planted", "1.0")
EVIDENCE = Evidence(Inspection(INFO, (), import_seconds=0.001))


def test_what_is_not_checked_does_not_count():
    report = compute_grade(EVIDENCE)
    assert report.grade is None
    assert report.describe() == "no grade; bronze not checked: suite"
    verdicts = {rule.name: verdict for rule, verdict in report.verdicts}
    assert verdicts["suite"].outcome is RuleOutcome.NOT_CHECKED
    assert compute_grade(EVIDENCE, frozenset({"suite"})).next_grade is Grade.SILVER


def test_lowest_grade_needs_one_of_each_plugin():
    none = compute_grade(EVIDENCE)
    gold, bronze = evolve(none, grade=Grade.GOLD), evolve(none, grade=Grade.BRONZE)
    assert lowest_grade([gold, bronze]) is Grade.BRONZE
    assert lowest_grade([gold, none]) is None
    assert lowest_grade([]) is None


def test_tests_that_rules_rely_on_are_in_the_suites():
    suites = [sources.SourceConformance, executors.ExecutorConformance, stores.StoreConformance]
    suites.append(store_faults.StoreFaults)
    known = {name for suite in suites for name in dir(suite)}
    relied = {*rules.RESTART_TESTS.values(), *rules.CANCEL_TESTS.values(), "test_secrets_are_masked"}
    relied |= {test for tests in rules.SUITE_FAULTS.values() for test in tests.values()}
    assert relied <= known


def test_no_plugin_that_comes_with_rae_auto_is_below_gold():
    page = Path(__file__).parents[3] / "docs" / "reference" / "plugin-api" / "grades.md"
    rows = [line.split(" | ") for line in page.read_text().split("| plugin | grade |")[1].splitlines()[2:]]
    assert len(rows) >= 45
    assert [row for row in rows if row[1] not in ("gold", "platinum")] == []


def test_source_is_traced_by_what_it_shows():
    (rule,) = [rule for rule in GRADE_RULES if rule.name == "trace"]
    source = evolve(EVIDENCE, contract=SourceTrigger)
    assert rule.check(source).outcome is RuleOutcome.FAILED
    assert rule.check(evolve(source, traces=["a.py:3: context.trace"])).outcome is RuleOutcome.PASSED
    assert rules.TRACED_BY_CORE.keys() | {SourceTrigger} == rules.SUITES.keys()


def test_each_kind_has_a_test_or_a_reason_for_each_fault():
    for contract in rules.SUITES:
        played, harmless = rules.SUITE_FAULTS.get(contract, {}), rules.HARMLESS_FAULTS.get(contract, {})
        assert {*played} | {*harmless} == {*rules.FAULT_TESTS}, contract
        assert not {*played} & {*harmless}, contract
