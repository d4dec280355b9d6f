"""The public surface: what is listed here can be relied on, and a change of it is a decision."""

import rae_auto

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
