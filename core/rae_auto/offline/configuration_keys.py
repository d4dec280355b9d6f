"""The keys of a configuration in words: those of the file, of a job, and of the tables inside a job."""

from attrs import evolve

from rae_auto.config.tables import FileTable, JobTable
from rae_auto.model.policies import Limits, NotifyPolicy, Retention, RetryPolicy
from rae_auto.registry.describe import Option, options_in_words

_JOB = "jobs.NAME."
_FILE_TABLES = (("", FileTable), ("history.", Retention))
_JOB_TABLES = (
    (_JOB, JobTable),
    (f"{_JOB}retry.", RetryPolicy),
    (f"{_JOB}limits.", Limits),
    (f"{_JOB}notify.", NotifyPolicy),
)


def list_keys(*, jobs_only: bool = False) -> list[Option]:
    """Return all keys as options, by their whole names: `jobs.NAME.retry.delay`."""
    tables = _JOB_TABLES if jobs_only else (*_FILE_TABLES, *_JOB_TABLES)
    return [evolve(option, name=f"{prefix}{option.name}") for prefix, cls in tables for option in options_in_words(cls)]
