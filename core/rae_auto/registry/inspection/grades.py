"""Rules of the grades of plugins, over what is known about one.

What could not be found out is not checked, and doesn't count as passed. The evidence is gathered elsewhere; nothing
here reads a file.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from attrs import frozen

from rae_auto.api.command import Command
from rae_auto.api.executor import Executor
from rae_auto.api.guard import ComputedGuard, ReadGuard
from rae_auto.api.logger import Logger
from rae_auto.api.notifier import Notifier
from rae_auto.api.pattern import PatternTrigger
from rae_auto.api.plugin import Plugin
from rae_auto.api.store import Store
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.model.primitives.formatting import format_count, join_words
from rae_auto.registry.inspection.branch_count import BranchCount
from rae_auto.registry.inspection.finding import Severity
from rae_auto.registry.inspection.inspector import Inspection


class Grade(StrEnum):
    """Grades, the lowest first."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"


class RuleOutcome(StrEnum):
    """Result of a rule."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@frozen
class RuleVerdict:
    """RuleOutcome of a rule, with its reason; for one that has not passed also what to change."""

    outcome: RuleOutcome
    text: str


@frozen
class Evidence:
    """Facts about a plugin: its inspection, and what its sources, tests and pages show."""

    inspection: Inspection
    contract: type[Plugin] | None = None
    import_calls: Sequence[str] = ()
    """Calls at the top of its modules that read or write, each as FILE:LINE: NAME."""
    written_files: Sequence[str] = ()
    """Calls that write files, in the same form."""
    untyped: Sequence[str] = ()
    """Functions without types, as FILE:LINE: NAME."""
    has_type_marker: bool = False
    has_tests: bool = False
    """True if the folder with its tests was found."""
    suites: Sequence[str] = ()
    """Classes of tests that inherit the suite of its kind, as FILE: NAME."""
    test_names: Sequence[str] = ()
    are_tests_green: bool | None = None
    """Result of its tests; None if they were not run."""
    are_branches_required: bool = False
    """True if its project refuses tests that leave a branch out."""
    branches: BranchCount | None = None
    """Branches that its tests have taken; None if they were not counted."""
    traces: Sequence[str] = ()
    """Calls of `TriggerContext.trace`, as FILE:LINE: NAME."""
    unavailable: Mapping[str, str] = {}
    """By system, what `available()` raised or wrongly answered there."""
    options: Sequence[str] = ()
    bare_secrets: Sequence[str] = ()
    """Options with the name of a secret that neither take references nor are left out of `repr`."""
    page: str | None = None
    """Its page of the documentation, or the README of its project."""
    shown_options: frozenset[str] = frozenset()
    """Options in examples that were executed: its `example`, and those of its page."""
    example_problems: Mapping[str, str] = {}
    """By option that only other examples have, why they don't work here."""


SUITES: Mapping[type[Plugin], str] = {
    ScheduleTrigger: "ScheduleConformance",
    PatternTrigger: "SourceConformance",
    SourceTrigger: "SourceConformance",
    ComputedGuard: "GuardConformance",
    ReadGuard: "GuardConformance",
    Executor: "ExecutorConformance",
    Store: "StoreConformance",
    Logger: "LoggerConformance",
    Notifier: "NotifierConformance",
    Command: "CommandConformance",
}
"""By contract, the conformance suite; a contract stands before those that it derives from."""

RESTART_TESTS: Mapping[type[Plugin], str] = {
    PatternTrigger: "test_restarted_source_repeats_nothing_and_continues",
    SourceTrigger: "test_restarted_source_repeats_nothing_and_continues",
    Executor: "test_attempt_is_adopted_or_ended_after_a_crash",
    Store: "test_state_survives_closing_and_opening",
}
"""By contract, the test of its suite that restarts it; the others keep nothing that a restart could lose."""

CANCEL_TESTS: Mapping[type[Plugin], str] = {
    PatternTrigger: "test_cancelled_source_ends_without_leftovers",
    SourceTrigger: "test_cancelled_source_ends_without_leftovers",
    Executor: "test_cancel_ends_the_attempt",
}

FAULT_TESTS: Mapping[str, tuple[str, ...]] = {
    "kill -9": ("kill", "crash", "restart"),
    "clock step": ("clock",),
    "suspend": ("suspend", "sleep", "slept", "wake"),
    "full disk": ("full_disk", "disk_full", "disk_is_full"),
}
"""By fault, words that the name of a test of it has one of."""

SUITE_FAULTS: Mapping[type[Plugin], Mapping[str, str]] = {
    PatternTrigger: {
        "kill -9": "test_source_of_a_killed_daemon_repeats_nothing_and_continues",
        "clock step": "test_clock_steps_and_suspend_repeat_and_lose_nothing",
        "suspend": "test_clock_steps_and_suspend_repeat_and_lose_nothing",
    },
    SourceTrigger: {
        "kill -9": "test_source_of_a_killed_daemon_repeats_nothing_and_continues",
        "clock step": "test_clock_steps_and_suspend_repeat_and_lose_nothing",
        "suspend": "test_clock_steps_and_suspend_repeat_and_lose_nothing",
    },
    Executor: {
        "kill -9": "test_attempt_is_adopted_or_ended_after_a_crash",
        "clock step": "test_clock_step_and_suspend_change_no_result",
        "suspend": "test_clock_step_and_suspend_change_no_result",
        "full disk": "test_full_disk_loses_output_and_no_result",
    },
    Store: {
        "kill -9": "test_what_was_committed_survives_a_kill",
        "full disk": "test_full_disk_is_reported_and_loses_nothing",
    },
}
"""By contract, the tests of its suite that play a fault."""

_GIVEN_TIME = "it reads no clock: it is given the time"
_ASKED_AGAIN = "it keeps nothing, and is asked again each time"
_WRITES_NOTHING = "it writes no files"

HARMLESS_FAULTS: Mapping[type[Plugin], Mapping[str, str]] = {
    ScheduleTrigger: {
        "kill -9": _ASKED_AGAIN, "clock step": _GIVEN_TIME, "suspend": _GIVEN_TIME, "full disk": _WRITES_NOTHING,
    },
    PatternTrigger: {"full disk": "the daemon writes its state"},
    SourceTrigger: {"full disk": _WRITES_NOTHING},
    ComputedGuard: {
        "kill -9": _ASKED_AGAIN, "clock step": _GIVEN_TIME, "suspend": _GIVEN_TIME, "full disk": _WRITES_NOTHING,
    },
    ReadGuard: {
        "kill -9": _ASKED_AGAIN, "clock step": _ASKED_AGAIN, "suspend": _ASKED_AGAIN, "full disk": _WRITES_NOTHING,
    },
    Store: {"clock step": "what it keeps has its times already", "suspend": "it waits for nothing"},
    Logger: {
        "kill -9": "a line is written before the next one comes", "clock step": "lines have their times already",
        "suspend": "it waits for nothing", "full disk": _WRITES_NOTHING,
    },
    Notifier: {
        "kill -9": "the daemon delivers again what was not delivered", "clock step": "notices have their times already",
        "suspend": "the daemon limits its time, and tries again", "full disk": "the daemon delivers again, too",
    },
    Command: {
        "kill -9": "the daemon goes on without it", "clock step": "it ends with its answer",
        "suspend": "it ends with its answer", "full disk": "who runs it sees the error, and can repeat it",
    },
}  # fmt: skip
"""By contract, harmless faults with the reason. A full disk harms what writes files, but for commands and notifiers."""


TRACED_BY_CORE: Mapping[type[Plugin], str] = {
    ScheduleTrigger: "'rae-auto next', simulate and why show each of its instants",
    PatternTrigger: "'rae-auto test-trigger' shows each event that it gets, and what it fires",
    ComputedGuard: "'rae-auto why' and the history have the reason of each answer",
    ReadGuard: "'rae-auto why' and the history have the reason of each answer",
    Executor: "each attempt is on record, with its output and its result",
    Store: "it decides nothing",
    Logger: "it decides nothing",
    Notifier: "'rae-auto status' shows each failure to deliver",
    Command: "its answer is what it does",
}
"""By contract, what shows the decisions of a plugin by itself; a source has to trace what it sees."""


@frozen
class GradeRule:
    """A rule of a grade. `meaning` completes "the plugin …"."""

    name: str
    grade: Grade
    meaning: str
    check: Callable[[Evidence], RuleVerdict]


def _passed(text: str) -> RuleVerdict:
    return RuleVerdict(RuleOutcome.PASSED, text)


def _failed(text: str) -> RuleVerdict:
    return RuleVerdict(RuleOutcome.FAILED, text)


def _unknown(text: str) -> RuleVerdict:
    return RuleVerdict(RuleOutcome.NOT_CHECKED, text)


def _fail_by_finding(evidence: Evidence, *rules: str) -> RuleVerdict | None:
    """Return a failure with the first finding of the inspection by these rules."""
    found = [one for one in evidence.inspection.findings if one.rule.startswith(rules)]
    return _failed(found[0].describe()) if found else None


def _check_loading(evidence: Evidence) -> RuleVerdict:
    # An example may need what this machine lacks, such as a file.
    found = [one for one in evidence.inspection.findings if one.severity is Severity.ERROR and one.rule != "example"]
    if found:
        return _failed(found[0].describe())
    return _passed("it loads, and has no errors of 'rae-auto plugins check'")


def _check_import(evidence: Evidence) -> RuleVerdict:
    if evidence.import_calls:
        return _failed(f"{evidence.import_calls[0]} when the module is imported; move it into a function")
    if failure := _fail_by_finding(evidence, "import-prints", "import-time"):
        return failure
    seconds = evidence.inspection.import_seconds
    if seconds is None:
        return _unknown("its import was not measured; see the rule before")
    return _passed(f"{seconds * 1000:.0f} ms of processor time, without reading or writing")


def _check_options(evidence: Evidence) -> RuleVerdict:
    return _fail_by_finding(evidence, "option-", "docstring") or _passed(
        f"{format_count(len(evidence.options), 'option')}, all with type and help"
    )


def _check_suite(evidence: Evidence) -> RuleVerdict:
    suite = SUITES[evidence.contract] if evidence.contract else "suite of its kind"
    if not evidence.has_tests:
        return _unknown("its tests are not here; give the folder of its project")
    if not evidence.suites:
        return _failed(f"no test class inherits {suite}; write 'class TestConforms({suite})'")
    if evidence.are_tests_green is False:
        return _failed("its tests fail; run pytest in the folder of its project")
    end = "green" if evidence.are_tests_green else "not run here; --run-tests does"
    return _passed(f"{evidence.suites[0]}, {end}")


def _check_by_suite(evidence: Evidence, tests: Mapping[type[Plugin], str], otherwise: str) -> RuleVerdict:
    test = tests.get(evidence.contract) if evidence.contract else None
    if test is None:
        return _passed(otherwise)
    suite = _check_suite(evidence)
    if suite.outcome is RuleOutcome.PASSED:
        return _passed(f"by {test} of its suite")
    return RuleVerdict(suite.outcome, f"{test} of the suite shows it; {suite.text.rpartition('; ')[2]}")


def _check_restart(evidence: Evidence) -> RuleVerdict:
    return _check_by_suite(evidence, RESTART_TESTS, "it keeps nothing that a restart could lose")


def _check_cancel(evidence: Evidence) -> RuleVerdict:
    failure = _fail_by_finding(evidence, "cancellation")
    return failure or _check_by_suite(evidence, CANCEL_TESTS, "no cancellation is swallowed")


def _check_blocking(evidence: Evidence) -> RuleVerdict:
    return _fail_by_finding(evidence, "blocking", "forgotten-await", "async") or _passed(
        "no call in a coroutine blocks"
    )


def _check_available(evidence: Evidence) -> RuleVerdict:
    for system, problem in evidence.unavailable.items():
        return _failed(f"available() on {system}: {problem}; return None or one line there")
    if evidence.inspection.plugin_class is None:
        return _unknown("its class could not be loaded; correct that first")
    return _passed("it answers on Linux, macOS and Windows, each named to it here")


def _check_faults(evidence: Evidence) -> RuleVerdict:
    contract = evidence.contract
    if contract is None:
        return _unknown("its class could not be loaded; correct that first")
    if failure := _fail_by_finding(evidence, "impure"):
        return failure
    harmless = {**HARMLESS_FAULTS.get(contract, {})}
    if evidence.written_files and contract not in (Command, Notifier):
        harmless.pop("full disk", None)
    needed = [fault for fault in FAULT_TESTS if fault not in harmless]
    if not needed:
        return _passed(f"no fault can harm it: {', '.join(dict.fromkeys(harmless.values()))}")
    if not evidence.has_tests:
        return _unknown("its tests are not here; give the folder of its project")
    by_suite = SUITE_FAULTS.get(contract, {}) if evidence.suites else {}
    missing = [
        fault
        for fault in needed
        if fault not in by_suite
        and not any(word in name for word in FAULT_TESTS[fault] for name in evidence.test_names)
    ]
    if not missing:
        return _passed(f"tests play {', '.join(needed)}")
    words = join_words(FAULT_TESTS[missing[0]], "or")
    return _unknown(f"no test is named after {', '.join(missing)}; write one with {words} in its name")


def _check_secrets(evidence: Evidence) -> RuleVerdict:
    if evidence.bare_secrets:
        name = evidence.bare_secrets[0]
        return _failed(f'option "{name}" shows a secret; write repr=False, or take references and say so in its help')
    if evidence.contract is Executor:
        return _check_by_suite(evidence, {Executor: "test_secrets_are_masked"}, "")
    return _passed("no option shows a secret")


def _check_examples(evidence: Evidence) -> RuleVerdict:
    missing = [option for option in evidence.options if option not in evidence.shown_options]
    if missing and all(option in evidence.example_problems for option in missing):
        text = evidence.example_problems[missing[0]]
        return _unknown(f"the example with {', '.join(missing)} doesn't work here: {text}")
    if missing:
        text = f"no example that works here has {', '.join(missing)}; add them to the examples of its page"
        return _failed(text) if evidence.page else _unknown(f"{text}, which is not here")
    return _passed("each option is in an example that was executed" if evidence.options else "it has no options")


def _check_page(evidence: Evidence) -> RuleVerdict:
    if evidence.page is None:
        what = "a README.md" if evidence.has_tests else "the folder of its project, with a README.md"
        return _unknown(f"its page was not found; give {what}")
    return _passed(evidence.page)


def _check_replay(evidence: Evidence) -> RuleVerdict:
    if evidence.contract in (ScheduleTrigger, ComputedGuard, PatternTrigger):
        text = "it is pure: 'rae-auto simulate' and replays ask it as the daemon does"
        return _fail_by_finding(evidence, "impure") or _passed(text)
    return _unknown("only schedules, patterns and computed guards are known to be played again")


def _check_types(evidence: Evidence) -> RuleVerdict:
    if evidence.untyped:
        return _failed(f"{evidence.untyped[0]} lacks types; annotate all arguments and the result")
    if not evidence.has_type_marker:
        return _failed("its package has no py.typed; add the empty file")
    return _passed("all functions have types, and py.typed says so")


def _check_trace(evidence: Evidence) -> RuleVerdict:
    contract = evidence.contract
    if contract is None:
        return _unknown("its class could not be loaded; correct that first")
    if contract in TRACED_BY_CORE:
        return _passed(TRACED_BY_CORE[contract])
    if not evidence.traces:
        return _failed(
            "it shows nothing of what it sees; call context.trace, whose lines 'rae-auto test-trigger' prints"
        )
    return _passed(f"'rae-auto test-trigger' prints what it sees: {evidence.traces[0]}")


def _check_branches(evidence: Evidence) -> RuleVerdict:
    count = evidence.branches
    if count is not None and count.missing:
        problem = (
            f"{len(count.missing)} of {count.total} branches are taken by no test, the first at {count.missing[0]}"
        )
        return _failed(f"{problem}; test it")
    if count is not None:
        return _passed(f"its tests take all {count.total} branches")
    if evidence.are_branches_required and evidence.are_tests_green:
        return _passed("its project demands every branch, and its tests are green")
    if evidence.are_branches_required:
        return _unknown("its project demands every branch; --run-tests runs the tests")
    return _unknown("the branches are not counted; --run-tests counts them where coverage is installed")


GRADE_RULES: Sequence[GradeRule] = (
    GradeRule("loads", Grade.BRONZE, "loads without errors", _check_loading),
    GradeRule("import", Grade.BRONZE, "is imported within 50 ms, without reading or writing", _check_import),
    GradeRule("options", Grade.BRONZE, "has options with types and help", _check_options),
    GradeRule("suite", Grade.BRONZE, "passes the suite of its kind", _check_suite),
    GradeRule("restart", Grade.SILVER, "survives a restart", _check_restart),
    GradeRule("cancel", Grade.SILVER, "ends within a second when it is cancelled", _check_cancel),
    GradeRule("blocking", Grade.SILVER, "never blocks the event loop", _check_blocking),
    GradeRule("available", Grade.SILVER, "answers on three systems whether it can serve", _check_available),
    GradeRule("faults", Grade.GOLD, "survives kill -9, clock steps, suspends and full disks", _check_faults),
    GradeRule("secrets", Grade.GOLD, "keeps secrets out of logs", _check_secrets),
    GradeRule("examples", Grade.GOLD, "has an executed example of each option", _check_examples),
    GradeRule("page", Grade.GOLD, "has a page", _check_page),
    GradeRule("replay", Grade.PLATINUM, "can be simulated or replayed", _check_replay),
    GradeRule("types", Grade.PLATINUM, "is strictly typed", _check_types),
    GradeRule("trace", Grade.PLATINUM, "is traced", _check_trace),
    GradeRule("branches", Grade.PLATINUM, "has tests of every branch", _check_branches),
)
"""Rules of all grades, in the order in which they are printed."""
