"""The test of a cluster for `rae-auto doctor`: a helper of its own, which submits nothing."""

import json
import subprocess
from collections.abc import Mapping
from tempfile import TemporaryFile
from threading import Timer
from typing import IO, Any

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
        problem: str | None = f"no answer within {PROBE_SECONDS:g} s; see whether the scheduler is up"
        is_answered = False
        try:
            with process:
                problem = _ask(process, labels, resources)
                is_answered = True
        except EOFError:
            pass
        except (OSError, ValueError) as error:
            # Once there is an answer, it doesn't matter how the helper ends.
            problem = problem if is_answered else f"the helper has ended ({error})"
        finally:
            limit.cancel()
        if not is_answered and process.returncode > 0:
            problem = f"the helper has ended ({_read_last_line(errors)})"
    return () if problem is None else (problem,)


def _read_last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").splitlines()
    return lines[-1] if lines else "it says nothing"


def _ask(process: "subprocess.Popen[bytes]", labels: tuple[str, ...], resources: Mapping[str, float]) -> str | None:
    """Return why no worker could take an attempt. Raises EOFError where the helper ends, OSError, ValueError."""
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
    raise EOFError
