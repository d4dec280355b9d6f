"""The metrics of a daemon as text for Prometheus, version 0.0.4 of its format.

https://prometheus.io/docs/instrumenting/exposition_formats/

Names are those of OpenTelemetry's semantic conventions where these have one: for runs the group CI/CD, which is still
in development (`cicd.pipeline.run.duration`, `.active`, `.errors`), written as Prometheus writes them; for the process
those that all exporters for Prometheus use. All names stand in this module, and in docs/reference/health.md.

prometheus-client does the same and costs a process 14 MB and 60 ms; a daemon asked by one line of text needs neither
its registry nor its server. A test reads this text with its parser.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from rae_auto.views.monitoring.health import HealthLevel, check_facts, worst_level

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

RESULTS = {
    "succeeded": "success",
    "failed": "failure",
    "timed_out": "timeout",
    "cancelled": "cancellation",
    "skipped": "skip",
    "interrupted": "error",
    "lost": "error",
}
"""The word of `cicd.pipeline.result` for each final state."""

ERROR_STATES = ("failed", "timed_out", "interrupted", "lost")
PHASES = ("pending", "executing", "finalizing")

Labels = Mapping[str, str]


@frozen
class Sample:
    """One line: what follows the name of its family, its labels and its value."""

    value: float
    labels: Labels = field(factory=dict)
    suffix: str = ""


@frozen
class MetricFamily:
    """A metric with its samples. `kind` is the type of it: counter, gauge or summary."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the metric."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for sample in self.samples:
            yield f"{self.name}{sample.suffix}{_labels_text(sample.labels)} {_number(sample.value)}"


def metrics_text(facts: Mapping[str, Any]) -> str:
    """Return the metrics of what a daemon answers `metrics` with; families without samples are left out."""
    lines = [line for family in _families(facts) if family.samples for line in family.lines()]
    return "\n".join(lines) + "\n"


def _families(facts: Mapping[str, Any]) -> Iterator[MetricFamily]:
    level = worst_level(check_facts(facts))
    about = {"service_name": "rae-auto", "service_version": facts["version"]}
    yield _gauge("target_info", "The daemon.", 1, about)
    yield _gauge(
        "rae_auto_health_level", "0 ok, 1 warning, 2 critical: the exit code of 'rae-auto health'.", level.value
    )
    yield _gauge("process_start_time_seconds", "When the daemon started.", _timestamp(facts["started_at"]))
    if facts["starting"]:
        return
    yield from _process_families(facts["process"])
    yield from _daemon_families(facts)
    yield from _run_families(facts["per_job"])
    yield from _job_families(facts["per_job"])


def _process_families(process: Mapping[str, Any]) -> Iterator[MetricFamily]:
    yield _counter("process_cpu_seconds_total", "CPU time of the daemon, without its jobs.", process["cpu_seconds"])
    if "resident_bytes" in process:
        yield _gauge("process_resident_memory_bytes", "Resident memory of the daemon.", process["resident_bytes"])
        yield _gauge("process_open_fds", "Open files of the daemon.", process["open_files"])


def _daemon_families(facts: Mapping[str, Any]) -> Iterator[MetricFamily]:
    loop, store, clock = facts["loop"], facts["store"], facts["clock"]
    yield _counter("rae_auto_loop_turns_total", "Turns of the event loop since the start.", loop["turns"])
    yield _counter("rae_auto_loop_busy_seconds_total", "Time that these took.", loop["busy_seconds"])
    text = "The longest turn of the last five minutes: by so much something may have been late."
    yield _gauge("rae_auto_loop_lag_seconds", text, loop["longest_seconds"])
    commits = (Sample(store["commits"], suffix="_count"), Sample(store["commit_seconds"], suffix="_sum"))
    yield MetricFamily("rae_auto_store_commit_seconds", "summary", "Commits of the store since the start.", commits)
    text = "The longest commit of the last five minutes."
    yield _gauge("rae_auto_store_commit_longest_seconds", text, store["longest_seconds"])
    yield _gauge("rae_auto_store_writable", "0 while the store can't be written.", 0 if store["problem"] else 1)
    if store["newest_copy_at"]:
        text = "When the newest verified copy of the store was made."
        yield _gauge("rae_auto_store_copy_timestamp_seconds", text, _timestamp(store["newest_copy_at"]))
    yield _gauge("rae_auto_disk_free_bytes", "Free space for the state directory.", facts["disk"]["free"])
    if clock["synchronized"] is not None:
        text = "1 if the kernel counts the clock as synchronized."
        yield _gauge("rae_auto_clock_synchronized", text, int(clock["synchronized"]))
    jumps = tuple(Sample(count, {"kind": kind}) for kind, count in sorted(clock["jumps"].items()))
    yield MetricFamily("rae_auto_clock_jumps_total", "counter", "Sleeps and clock steps since the start.", jumps)
    yield _gauge("rae_auto_jobs", "Jobs.", facts["jobs"])
    notices = facts["notices"]
    yield _gauge("rae_auto_notices_waiting", "Notices on their way to a notifier.", notices["waiting"])
    yield _gauge("rae_auto_notices_given_up", "Notices that could not be delivered.", notices["given_up"])
    yield _gauge("rae_auto_sources_failed", "Sources that wait to be started again.", len(facts["failed_sources"]))
    yield _gauge("rae_auto_plugins_quarantined", "Plugins in quarantine.", len(facts["quarantined"]))


def _run_families(jobs: Iterable[Mapping[str, Any]]) -> Iterator[MetricFamily]:
    """Yield what OpenTelemetry has names for."""
    jobs = list(jobs)
    active = [
        Sample(job["open"].get(phase, 0), {"cicd_pipeline_name": job["job"], "cicd_pipeline_run_state": phase})
        for job in jobs
        for phase in PHASES
    ]
    yield MetricFamily("cicd_pipeline_run_active", "gauge", "Open runs by what they do.", tuple(active))
    durations: list[Sample] = []
    errors: list[Sample] = []
    for job in jobs:
        sums: dict[str, tuple[int, float]] = {}
        for state, total in sorted(job["totals"].items()):
            count, seconds = sums.get(RESULTS[state], (0, 0.0))
            timed = total.get("count", 0) - total.get("untimed", 0)
            sums[RESULTS[state]] = count + timed, seconds + total.get("seconds", 0.0)
            if state in ERROR_STATES:
                labels = {"cicd_pipeline_name": job["job"], "error_type": state}
                errors.append(Sample(total.get("count", 0), labels))
        for result, (count, seconds) in sums.items():
            labels = {"cicd_pipeline_name": job["job"], "cicd_pipeline_result": result}
            durations += [Sample(count, labels, "_count"), Sample(seconds, labels, "_sum")]
    text = "Finished runs of all time and how long they took, from the first start to the end, if that is known."
    yield MetricFamily("cicd_pipeline_run_duration_seconds", "summary", text, tuple(durations))
    yield MetricFamily("cicd_pipeline_run_errors_total", "counter", "Unsuccessful runs of all time.", tuple(errors))


def _job_families(jobs: Iterable[Mapping[str, Any]]) -> Iterator[MetricFamily]:
    jobs = list(jobs)

    def family(name: str, kind: str, text: str, key: str) -> MetricFamily:
        samples = (Sample(float(job[key]), {"job": job["job"]}) for job in jobs)
        return MetricFamily(f"rae_auto_job_{name}", kind, text, tuple(samples))

    def times(name: str, text: str, key: str) -> MetricFamily:
        samples = (Sample(_timestamp(job[key]), {"job": job["job"]}) for job in jobs if job[key])
        return MetricFamily(f"rae_auto_job_{name}_timestamp_seconds", "gauge", text, tuple(samples))

    yield family("enabled", "gauge", "1 if the job starts by itself: neither paused nor disabled.", "enabled")
    yield family("failures_in_a_row", "gauge", "Unsuccessful runs since the last success.", "failures")
    yield family("overdue", "gauge", "1 if the job has not succeeded in time (expect).", "overdue")
    yield family("overrunning", "gauge", "Runs that take longer than expected (expect).", "overrunning")
    yield times("next_start", "When the schedules of the job start it next.", "next_at")
    yield times("expected", "When the job will be overdue (expect).", "expected_by")
    runs, attempts, ends = [], [], []
    for job in jobs:
        for state, total in sorted(job["totals"].items()):
            labels = {"job": job["job"], "state": state}
            runs.append(Sample(total.get("count", 0), labels))
            attempts.append(Sample(total.get("attempts", 0), labels))
            if total.get("last_at"):
                ends.append(Sample(_timestamp(total["last_at"]), labels))
    text = "Finished runs of all time, by their final state."
    yield MetricFamily("rae_auto_job_runs_total", "counter", text, tuple(runs))
    yield MetricFamily("rae_auto_job_attempts_total", "counter", "Attempts of these runs.", tuple(attempts))
    text = "When the latest run ended in this state."
    yield MetricFamily("rae_auto_job_last_end_timestamp_seconds", "gauge", text, tuple(ends))


def _gauge(name: str, text: str, value: float, labels: Labels | None = None) -> MetricFamily:
    return MetricFamily(name, "gauge", text, (Sample(value, labels or {}),))


def _counter(name: str, text: str, value: float) -> MetricFamily:
    return MetricFamily(name, "counter", text, (Sample(value),))


def _timestamp(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


def _labels_text(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


UNREACHABLE = f"""\
# HELP rae_auto_health_level 0 ok, 1 warning, 2 critical: the exit code of 'rae-auto health'.
# TYPE rae_auto_health_level gauge
rae_auto_health_level {HealthLevel.CRITICAL.value}
"""
"""The text that is served while no daemon answers."""
