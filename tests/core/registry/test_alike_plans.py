"""Jobs that name the same plugins share them; all else of a plan is the job's own."""

from attrs import evolve

from rae_auto import Job
from rae_auto.engine.plan import JobOrigin
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory

HOURLY = Job(id="a", command="true", schedule="0 * * * *")


def test_alike_jobs_share_plugins_and_nothing_else() -> None:
    factory = PluginFactory(Registry(), "UTC")
    one, other, third = (factory.plan(evolve(HOURLY, id=id_), JobOrigin.CONFIG) for id_ in ("a", "b", "c"))
    assert [planned.plan.job.id for planned in (one, other, third)] == ["a", "b", "c"]
    assert one.plan.schedules is other.plan.schedules is third.plan.schedules


def test_job_that_is_planned_again_has_its_origin_of_now() -> None:
    factory = PluginFactory(Registry(), "UTC")
    origins = (JobOrigin.CONFIG, JobOrigin.STORE, JobOrigin.STORE, JobOrigin.CONFIG)
    assert tuple(factory.plan(HOURLY, origin).plan.origin for origin in origins) == origins


def test_jobs_with_a_source_have_one_each() -> None:
    factory = PluginFactory(Registry(), "UTC")
    watching = Job(id="a", command="true", schedule={"type": "file", "paths": ["/data/*.csv"]})
    planned = [factory.plan(evolve(watching, id=id_), JobOrigin.CONFIG) for id_ in ("a", "b", "c")]
    assert len({id(source) for one in planned for source in one.sources.values()}) == 3


def test_job_after_a_failed_schedule_gets_a_new_one() -> None:
    factory = PluginFactory(Registry(), "UTC")
    plans = [factory.plan(evolve(HOURLY, id=id_), JobOrigin.CONFIG).plan for id_ in ("a", "b")]
    (failed,) = plans[1].schedules.values()
    failed._ended = True
    (made,) = factory.plan(evolve(HOURLY, id="c"), JobOrigin.CONFIG).plan.schedules.values()
    assert made is not failed
