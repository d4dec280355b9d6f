"""Every key of a configuration with a value of every kind: problems are reported, never raised."""

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import fields_dict

from rae_auto.api.plugin import PluginSource
from rae_auto.config import check
from rae_auto.config.tables import FileTable, JobTable

VALUES = ("3", "-1", "1.5", "true", '"x"', "[]", "[3]", '["x"]', "[[1]]", "{}", "{ a = 3 }", "{ a = {} }", "2026-01-31")
JOB = '[jobs.a]\ncommand = ["true"]\n'


@pytest.mark.requirement("R38")
@pytest.mark.parametrize("key", [*fields_dict(FileTable), "jobs", "defaults"])
def test_check_reports_top_level_values_of_any_kind(
    key: str, write: Callable[[str], Path], plugins: PluginSource
) -> None:
    for value in VALUES:
        report = check(write(f"{key} = {value}\n{JOB if key != 'jobs' else ''}"), plugins)
        assert all(":1: " in error for error in report.errors)


@pytest.mark.requirement("R38")
@pytest.mark.parametrize("key", [key for key in fields_dict(JobTable) if key != "command"])
@pytest.mark.parametrize("table", ["jobs.a", "defaults"])
def test_check_reports_job_values_of_any_kind(
    table: str, key: str, write: Callable[[str], Path], plugins: PluginSource
) -> None:
    for value in VALUES:
        text = f"{JOB}{key} = {value}\n" if table == "jobs.a" else f"[defaults]\n{key} = {value}\n{JOB}"
        report = check(write(text), plugins)
        assert all(key in error or ": jobs.a" in error for error in report.errors)


@pytest.mark.parametrize("key", ["notifiers", "resources"])
def test_check_names_the_kind_that_a_table_has_instead(
    key: str, write: Callable[[str], Path], plugins: PluginSource
) -> None:
    path = write(f"{key} = 4\n{JOB}")
    assert check(path, plugins).errors == (f"{path}:1: {key}: must be a table, not the number 4; write {{ NAME = … }}",)
