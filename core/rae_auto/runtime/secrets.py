"""Secrets that a job's environment refers to, `${env:NAME}` and `${file:PATH}`: read late, and shown nowhere."""

import json
from collections.abc import Iterable, Mapping

from attrs import evolve

from rae_auto.model.run import Result
from rae_auto.toolkit.secret_references import refers_to_file, resolve_references

MASK = "***"


def resolve_secrets(
    env: Mapping[str, str], inherited: Mapping[str, str], directory: str | None = None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """`env` with its references replaced, and the secrets among the values that they led to.

    `inherited` is the daemon's environment, `directory` the folder that relative paths start from.
    ValueError for a reference that leads nowhere, or to a file that others may read.
    """
    secrets: set[str] = set()
    values = {}
    for name, value in env.items():
        values[name], found = resolve_references(value, inherited, "env", directory)
        secrets |= found
    return values, tuple(sort_secrets(secrets))


def refers_to_files(env: Mapping[str, str]) -> bool:
    """Return whether `resolve_secrets` reads files for these values, which may block."""
    return any(map(refers_to_file, env.values()))


def sort_secrets(secrets: Iterable[str]) -> list[str]:
    """Return the secrets that can be masked, longest first, so that no end of one remains visible.

    What is shorter than four characters would black out half of every text.
    """
    return sorted({value for value in secrets if len(value) >= 4}, key=len, reverse=True)


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text with secrets masked; these come in the order of `sort_secrets`."""
    for value in secrets:
        text = text.replace(value, MASK)
    return text


def mask_result(result: Result, secrets: Iterable[str]) -> Result:
    """Return the result with its secrets masked."""
    known = list(secrets)
    value = json.dumps(result.value, ensure_ascii=False)
    return evolve(
        result,
        error=None if result.error is None else mask_secrets(result.error, known),
        stderr=None if result.stderr is None else mask_secrets(result.stderr, known),
        remark=None if result.remark is None else mask_secrets(result.remark, known),
        value=result.value if mask_secrets(value, known) == value else MASK,
    )
