"""Changed copies of the values that each run changes several times; the changes are given by the names of fields."""

from collections.abc import Callable

from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.evolving.slots import copier_of
from rae_auto.model.run import Run

evolve_run: Callable[..., Run] = copier_of(Run)
evolve_job_state: Callable[..., JobState] = copier_of(JobState)
