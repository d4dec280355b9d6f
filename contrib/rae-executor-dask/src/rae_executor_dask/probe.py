"""The test of a cluster for `rae-auto doctor`: a helper of its own, which submits nothing."""

import json
import subprocess
from collections.abc import Mapping
from tempfile import TemporaryFile
from threading import Timer
from typing import Any

from rae_executor_dask import cluster_link
from rae_executor_dask.cluster.settings import ClusterSettings

PROBE_SECONDS = 8.0
"""Time for an answer, less than doctor waits for it."""


def find_problems(
    settings: ClusterSettings, labels: tuple[str, ...], resources: Mapping[str, float]
) -> tuple[str, ...]:
    """Return what keeps the cluster from running attempts with these labels and resources, with the remedy."""
    with TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [*cluster_link.HELPER_COMMAND, settings.to_text()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            return (f"the helper can't be started: {error.strerror}",)
        limit = Timer(PROBE_SECONDS, process.terminate)
        limit.start()
        try:
            with process:
                problem = _ask(process, labels, resources)
        except (OSError, ValueError) as error:
            problem = f"the helper has ended ({error})"
        finally:
            limit.cancel()
        if process.returncode > 0:
            errors.seek(0)
            *_, cause = ["no message", *errors.read().decode(errors="replace").split("\n")[:-1]]
            problem = f"the helper has ended ({cause})"
    return () if problem is None else (problem,)


def _ask(process: "subprocess.Popen[bytes]", labels: tuple[str, ...], resources: Mapping[str, float]) -> str | None:
    assert process.stdin is not None and process.stdout is not None
    for line in process.stdout:
        report: dict[str, Any] = json.loads(line)
        if "id" in report:
            return None if report["problem"] is None else str(report["problem"])
        if not report["open"]:
            return str(report["problem"])
        question = {"do": "ready", "id": 1, "labels": labels, "resources": dict(resources)}
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
    return f"no answer within {PROBE_SECONDS:g} s; see whether the scheduler is up"
