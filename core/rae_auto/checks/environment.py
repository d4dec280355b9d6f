"""References of a job that lead nowhere."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rae_auto.model.job import Job
from rae_auto.model.primitives.problems import Problem
from rae_auto.model.primitives.references import find_references
from rae_auto.toolkit.secrets.env_files import read_env_file
from rae_auto.toolkit.secrets.programs import find_keyring_problem
from rae_auto.toolkit.secrets.references import find_reference_problem


def find_bad_references(job: Job, own: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for each text whose reference leads nowhere, or that has something like a reference."""
    for key, text in _texts_with_references(job):
        if (problem := find_reference_problem(text, own, key[0], job.directory)) is not None:
            yield Problem(key, problem.removeprefix(f"{key[0]} "))


def find_keyring_problems(job: Job, find_problem: Callable[[], str | None]) -> Iterator[Problem]:
    """Yield a warning for each text that refers to the keyring, if `find_problem` returns one with all keyrings."""
    for key, text in _texts_with_references(job):
        for reference in find_references(text):
            if reference.kind == "keyring" and find_keyring_problem(reference.target) is None:
                if (problem := find_problem()) is not None:
                    yield Problem(key, f"refers to {reference.text}, {problem}")
                break


def _texts_with_references(job: Job) -> list[tuple[tuple[str, ...], str]]:
    texts: list[tuple[tuple[str, ...], str]] = [(("env", name), value) for name, value in job.env.items()]
    texts += [(("secret_files", name), value) for name, value in job.secret_files.items()]
    return texts if job.stdin is None else [*texts, (("stdin",), job.stdin)]


def find_env_file_problem(job: Job) -> Problem | None:
    """Return why the file of variables of a job can't be used, with its key in the file, or None."""
    if job.env_file is None:
        return None
    try:
        read_env_file(Path(job.env_file))
    except ValueError as error:
        return Problem(("jobs", job.id, "env_file"), str(error))
    return None
