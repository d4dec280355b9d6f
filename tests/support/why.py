"""Short ways to bring something about in a virtual world, and to ask why."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rae_auto import Job
from rae_auto.engine.plan import Settings
from rae_auto.explain.answer import explain_at
from rae_auto.explain.collector import collect
from rae_auto.explain.engine_source import EngineSource
from rae_auto.model.primitives.local_times import RequestedTime
from rae_auto.simulation.virtual_engine import VirtualWorld, plan

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Hourly:
    jitter = timedelta(0)

    def next_after(self, instant):
        return datetime.fromtimestamp((int(instant.timestamp()) // 3600 + 1) * 3600, UTC)


def world(*plans, **settings):
    return VirtualWorld(*plans, settings=Settings(**settings))


def a_job(name="a", *, hourly=True, **fields):
    return plan(Job(id=name, command="work", **fields), **({"t": Hourly()} if hourly else {}))


def view_job(w, name="a", zone="UTC"):
    opened = [o.run for o in w.engine.runs(name)]
    runs = sorted([*(r for r in w.history if r.job == name), *opened], key=lambda run: run.queued_at, reverse=True)
    decisions = [d for d in reversed(w.decisions) if d.job == name and d.run is None]
    return collect(EngineSource(w.engine, w.now, ZoneInfo(zone)), name, runs, decisions)


def answer_at(w, at, name="a"):
    return explain_at(RequestedTime((at,)), view_job(w, name))


def facts_of(explanation):
    return {fact.subject: fact.text for fact in explanation.facts}


def first_active_run(w):
    return next(iter(w.active_starts))
