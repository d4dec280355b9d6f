"""The text for Prometheus, read by the parser of its own client."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tests.core.views.test_health import GOOD, NOW

from rae_auto.views.monitoring.metrics import UNREACHABLE, metrics_text

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "health.md"
JOB = {
    "job": 'back"up\\',
    "enabled": True,
    "next_at": NOW.isoformat(),
    "failures": 2,
    "expected_by": NOW.isoformat(),
    "overdue": True,
    "overrunning": 1,
    "open": {"executing": 1, "pending": 2},
    "totals": {
        "succeeded": {"count": 5, "seconds": 12.5, "attempts": 6, "last_at": NOW.isoformat()},
        "lost": {"count": 1, "attempts": 1},
        "interrupted": {"count": 2, "seconds": 3.0, "attempts": 2},
    },
}
FACTS = {
    **GOOD,
    "clock": {**GOOD["clock"], "jumps": {"slept": 2}},
    "process": {"cpu_seconds": 1.5, "resident_bytes": 40_000_000, "open_files": 20},
    "per_job": [JOB, {**JOB, "job": "b", "totals": {}, "open": {}, "overdue": False}],
}


def read(text):
    """The metrics of a text: values by name and labels."""
    families = list(text_string_to_metric_families(text))
    return families, {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def test_text_is_valid_and_has_the_values():
    families, values = read(metrics_text(FACTS))
    assert all(family.type != "unknown" and family.documentation for family in families)
    of_job = ("job", JOB["job"])
    assert values["rae_auto_job_overdue", of_job] == 1
    assert values["rae_auto_job_overdue", ("job", "b")] == 0
    assert values["rae_auto_job_next_start_timestamp_seconds", of_job] == NOW.timestamp()
    assert values["rae_auto_job_runs_total", of_job, ("state", "succeeded")] == 5
    assert values["rae_auto_job_attempts_total", of_job, ("state", "succeeded")] == 6
    assert values["rae_auto_clock_jumps_total", ("kind", "slept")] == 2
    assert values["process_resident_memory_bytes",] == 40_000_000
    assert values["rae_auto_health_level",] == 0


def test_runs_have_the_names_of_opentelemetry():
    _, values = read(metrics_text(FACTS))
    name = ("cicd_pipeline_name", JOB["job"])
    assert values["cicd_pipeline_run_active", name, ("cicd_pipeline_run_state", "executing")] == 1
    assert values["cicd_pipeline_run_duration_seconds_count", name, ("cicd_pipeline_result", "success")] == 5
    assert values["cicd_pipeline_run_duration_seconds_sum", name, ("cicd_pipeline_result", "success")] == 12.5
    # What was interrupted and what was lost are errors alike.
    assert values["cicd_pipeline_run_duration_seconds_count", name, ("cicd_pipeline_result", "error")] == 3
    assert values["cicd_pipeline_run_errors_total", name, ("error_type", "lost")] == 1


def test_daemon_that_is_starting_has_few_metrics():
    starting = {"starting": True, "version": "1.0", "started_at": NOW.isoformat()}
    _, values = read(metrics_text(starting))
    assert values["rae_auto_health_level",] == 1
    assert len(values) == 3


def test_daemon_that_does_not_answer_is_critical():
    _, values = read(UNREACHABLE)
    assert values == {("rae_auto_health_level",): 2}


def test_page_names_each_metric_and_no_other():
    families, _ = read(metrics_text(FACTS))
    written = {line.split()[2] for line in metrics_text(FACTS).splitlines() if line.startswith("# TYPE")}
    assert len(written) == len(families)
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text().partition("## Metrics")[2], re.MULTILINE)) == written
