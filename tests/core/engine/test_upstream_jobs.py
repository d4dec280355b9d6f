"""Jobs whose ends start others: they exist, they stay, and no chain comes back to itself."""

import pytest
from attrs import evolve

from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import InvalidJob, JobInUse


@pytest.fixture
def following(job):
    """`following("b", "a")`: a plan of a job that follows others."""
    return lambda id, *others: evolve(job(id), upstream_jobs=others)


def test_add_job_refuses_an_unknown_upstream_job(world, job, following):
    w = world(job("backup"))
    with pytest.raises(
        InvalidJob, match='job "a" is triggered by job "bakup", which does not exist; did you mean "backup"'
    ):
        w.add(following("a", "bakup"))
    w.add(following("a", "backup"))


def test_add_job_refuses_a_cycle_of_upstream_jobs(world, job, following):
    w = world(job("a"), following("b", "a"), following("c", "b"))
    with pytest.raises(InvalidJob, match='job "a" would start itself: a -> b -> c -> a; remove one of these triggers'):
        w.add(following("a", "c"), replace=True)
    with pytest.raises(InvalidJob, match="would start itself: d -> d"):
        w.add(following("d", "d"))


def test_two_paths_to_one_upstream_job_are_no_cycle(world, job, following):
    w = world(job("a"), following("b", "a"), following("c", "a"))
    w.add(following("d", "b", "c"))


def test_upstream_job_cannot_be_removed(world, job, following):
    w = world(job("a"), following("b", "a"), following("c", "a"))
    with pytest.raises(JobInUse, match='triggers "b", "c"; remove those jobs first'):
        w.remove("a")
    for name in ("c", "b", "a"):
        w.remove(name)


def test_upstream_job_gone_from_the_configuration_is_ignored(world, job, following):
    """A reload takes jobs away without asking those that were added by hand."""
    w = world(following("b", "gone"))
    w.add(following("c", "b"))
    assert {entry.plan.origin for entry in w.engine.jobs()} == {JobOrigin.STORE}
