"""Secrets that a job refers to, such as `${file:PATH}`: read for each attempt, and shown nowhere."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from rae_auto.model.job import Job
from rae_auto.model.run import Result
from rae_auto.toolkit.secrets.env_files import read_env_file
from rae_auto.toolkit.secrets.masking import MASK, mask_secrets, sort_secrets
from rae_auto.toolkit.secrets.references import refers_to_slow_source, resolve_references


@frozen(kw_only=True)
class JobSecrets:
    """Values of a job with their references replaced, and the secrets among them, in the order of `sort_secrets`.

    `files` are the contents of private files, by the variables that get their paths.
    """

    env: Mapping[str, str]
    stdin: str | None = None
    files: Mapping[str, str] = field(factory=dict)
    secrets: tuple[str, ...] = ()


def resolve_job(job: Job, inherited: Mapping[str, str], *, run_programs: bool = True) -> JobSecrets:
    """Return what the references of a job lead to now. Reads files and runs programs, so it may block.

    `inherited` is the daemon's environment. Without `run_programs` the references that need one stay as they are.
    Raises ValueError for a reference that leads nowhere, or to a file that others may read.
    """
    secrets: set[str] = set()

    def resolve(owner: str, text: str, *, strip: bool = True) -> str:
        value, found = resolve_references(text, inherited, owner, job.directory, run_programs=run_programs, strip=strip)
        secrets.update(found)
        return value

    env = _read_env_file(job.env_file, secrets)
    env.update({name: resolve("env", value) for name, value in job.env.items()})
    stdin = None if job.stdin is None else resolve("stdin", job.stdin, strip=False)
    files = {name: resolve("secret_files", value, strip=False) for name, value in job.secret_files.items()}
    # What is to stand in a private file is a secret, however it is written.
    secrets.update(value.strip() for value in files.values())
    return JobSecrets(env=env, stdin=stdin, files=files, secrets=tuple(sort_secrets(secrets)))


def _read_env_file(path: str | None, secrets: set[str]) -> dict[str, str]:
    """Return the variables of a file, if there is one, and add the secrets among them. Raises ValueError."""
    if path is None:
        return {}
    try:
        values, found = read_env_file(Path(path))
    except ValueError as error:
        raise ValueError(f"env_file {error}") from None
    secrets.update(found)
    return values


def has_slow_references(job: Job) -> bool:
    """Return whether `resolve_job` reads files or runs programs, or files are to be written; these may block."""
    has_files = bool(job.secret_files) or job.env_file is not None
    return has_files or any(map(refers_to_slow_source, (*job.env.values(), job.stdin or "")))


def mask_result(result: Result, secrets: Iterable[str]) -> Result:
    """Return the result with its secrets masked."""
    known = list(secrets)
    if not known:
        return result
    value = json.dumps(result.value, ensure_ascii=False)
    return evolve(
        result,
        error=None if result.error is None else mask_secrets(result.error, known),
        stderr=None if result.stderr is None else mask_secrets(result.stderr, known),
        remark=None if result.remark is None else mask_secrets(result.remark, known),
        value=result.value if mask_secrets(value, known) == value else MASK,
    )
