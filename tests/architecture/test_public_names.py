"""The public surface: what is listed here can be relied on, and a change of it is a decision."""

import pytest
from tests.architecture import public_api

import rae_auto
from rae_auto import deprecations
from rae_auto.deprecations import DEPRECATIONS, DeprecatedName, Deprecation, find_overdue, warn_of

PUBLIC = """
    __version__
    Scheduler SyncScheduler RemoteScheduler connect use_logging JobActivity JobInfo JobStatus
    Job JobId RunId Run RunState Event
    Cron Interval Once PluginRef TriggerRef GuardRef
    Backoff CatchUp ExpectPolicy Limits NotifyPolicy OnCrash Overlap Priority Retention RetryPolicy
    SchedulerError BadRequest DaemonUnreachable DuplicateJob InvalidJob JobInUse JobNotFound NotStarted PluginError
    RunNotFound SchedulerClosed StoreError StoreLocked
"""


def test_the_public_names_are_exactly_these() -> None:
    assert sorted(rae_auto.__all__) == sorted(PUBLIC.split())


def test_every_public_name_can_be_imported() -> None:
    assert [name for name in PUBLIC.split() if getattr(rae_auto, name, None) is None] == []


def test_what_is_not_public_is_an_attribute_error_that_says_so() -> None:
    assert not hasattr(rae_auto, "Engine")


def test_public_names_and_signatures_are_pinned() -> None:
    found, pinned = public_api.write().splitlines(), public_api.SNAPSHOT.read_text(encoding="utf-8").splitlines()
    gone = [line for line in pinned if line not in found]
    new = [line for line in found if line not in pinned]
    hint = (
        "the public API has changed. What goes or changes breaks plugins: keep it, list it in rae_auto.deprecations, "
        "or raise the major version of API_VERSION. Then: python -m tests.architecture.public_api"
    )
    assert (gone, new) == ([], []), hint
    assert found == pinned, "another order; run python -m tests.architecture.public_api"


def test_deprecated_names_go_in_the_version_that_removes_them() -> None:
    assert find_overdue(rae_auto.__version__) == []
    for one in DEPRECATIONS:
        assert one.removed_in not in (one.since, rae_auto.__version__)


OLD = Deprecation("rae_auto.api.Old", "0.3", "0.5", "use rae_auto.api.New")


@pytest.mark.parametrize(
    ("version", "overdue"), [("0.4.9", []), ("0.5", [OLD.name]), ("0.5.0", [OLD.name]), ("0.10", [OLD.name])]
)
def test_overdue_names_are_found_by_version(version: str, overdue: list[str]) -> None:
    assert find_overdue(version, (OLD,)) == overdue


def test_deprecated_name_warns_at_the_line_that_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deprecations, "DEPRECATIONS", (OLD,))

    def old() -> None:
        warn_of(OLD.name)

    words = "rae_auto.api.Old is deprecated since 0.3, and will be removed in 0.5; use rae_auto.api.New"
    with pytest.warns(DeprecatedName, match=words) as found:
        old()
    assert found[0].filename == __file__
