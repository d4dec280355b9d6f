"""Rules for notices: what of a job's life is worth one, as a pure state machine over `NoticeCounts`.

    event                      counts                           notice, where `on` has it
    -----------------------    -----------------------------    -------------------------------------------------
    a run failed               failures + 1, skips = 0          failure: number `after`, then every `every`-th
    a run was lost             failures + 1, skips = 0          lost; by the rule for failures where it is not in `on`
    a run succeeded            failures = 0, skips = 0          success; recovery, if a failure or a breach came before
    a run was cancelled        skips = 0                        none: who cancels a run knows it
    n starts were skipped      skips + n                        skipped: each time that `skips` more have come together

A failure that was not reported needs no recovery: one before `after` is reached.
"""

from attrs import evolve

from rae_auto.model.notices.outbox import NoticeCounts
from rae_auto.model.policies import NotifyOn, NotifyPolicy
from rae_auto.model.run import RunState


def count_end(counts: NoticeCounts, state: RunState) -> NoticeCounts:
    """Return the counts after a run has ended."""
    match state:
        case RunState.SUCCEEDED:
            failures = 0
        case RunState.CANCELLED:
            failures = counts.failures
        case _:
            failures = counts.failures + 1
    if counts.failures == failures and not counts.skips:
        return counts
    return evolve(counts, failures=failures, skips=0)


def choose_kinds(
    policy: NotifyPolicy, counts: NoticeCounts, state: RunState, *, ends_breach: bool
) -> tuple[NotifyOn, ...]:
    """Return the kinds of notices about the end of a run; `counts` are those before it."""
    if state is RunState.CANCELLED:
        return ()
    if state is RunState.SUCCEEDED:
        is_recovery = ends_breach or counts.failures >= policy.after
        kinds = (NotifyOn.SUCCESS, *((NotifyOn.RECOVERY,) if is_recovery else ()))
        return tuple(kind for kind in kinds if kind in policy.on)
    if state is RunState.LOST and NotifyOn.LOST in policy.on:
        return (NotifyOn.LOST,)
    further = counts.failures + 1 - policy.after
    is_reported = further >= 0 and further % policy.every == 0
    return (NotifyOn.FAILURE,) if is_reported and NotifyOn.FAILURE in policy.on else ()


def count_skips(policy: NotifyPolicy, counts: NoticeCounts, starts: int) -> tuple[NoticeCounts, bool]:
    """Return the counts after this many starts were skipped, and whether that is worth a notice."""
    skips = counts.skips + starts
    return evolve(counts, skips=skips), skips // policy.skips > counts.skips // policy.skips
