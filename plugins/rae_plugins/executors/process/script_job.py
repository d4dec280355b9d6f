"""Python scripts as jobs: by uv or pipx where inline metadata (PEP 723) name packages, else by this interpreter."""

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import quote

# PEP 723: the block begins with this line, and every further line of it with "#".
_METADATA = re.compile(rb"(?m)^# /// script\s*$\s(^#(| .*)$\s)+^# ///\s*$")


def build_script_argv(job: Job, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that runs the script of a job.

    Raises ValueError if the script can't be read, or if it needs packages and neither uv nor pipx is on the PATH.
    """
    script = Path(job.script or "").expanduser()
    arguments = (str(script), *job.args)
    if not _has_metadata(script):
        return (sys.executable, *arguments)
    path = environment.get("PATH")
    if uv := shutil.which("uv", path=path):
        return (uv, "run", "--quiet", "--script", *arguments)
    if pipx := shutil.which("pipx", path=path):
        return (pipx, "run", *arguments)
    raise ValueError(
        f"script {quote(str(script))} has inline metadata, and neither uv nor pipx, which install what it needs, "
        "is on the PATH of the job; run 'pip install uv'"
    )


def find_script_problem(job: Job, environment: Mapping[str, str]) -> str | None:
    """Return why the script of a job can't be started now, with the remedy, or None. Runs nothing."""
    try:
        build_script_argv(job, environment)
    except ValueError as error:
        return str(error)
    return None


def _has_metadata(script: Path) -> bool:
    try:
        return _METADATA.search(script.read_bytes().replace(b"\r\n", b"\n")) is not None
    except OSError as error:
        raise ValueError(
            f"script {quote(str(script))} can't be read: {error.strerror}; correct the path in script"
        ) from None
