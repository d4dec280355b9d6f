"""An import as the text of a configuration: jobs with their comments, and a comment at all without an equivalent."""

from collections.abc import Iterator, Mapping
from typing import Any

from rae_plugins.commands.importing.imported import Import, ImportedJob, Leftover

WIDTH = 100


def format_import(found: Import) -> str:
    """Return the TOML text of an import."""
    lines = [f"# Imported from {found.source} by 'rae-auto import'."]
    for remark in found.remarks:
        lines += _comment(f"Note: {remark}.")
    for name, table in found.notifiers.items():
        lines += ["", f"[notifiers.{name}]", *_keys(table)]
    if found.defaults:
        lines += [
            "",
            "# As the source does it. Remove these lines to catch up what is missed, and to run one at a time.",
        ]
        lines += ["[defaults]", *_keys(found.defaults)]
    for entry in found.entries:
        lines += ["", *(_job_lines(entry) if isinstance(entry, ImportedJob) else _leftover_lines(entry))]
    return "\n".join(lines) + "\n"


def format_job(job: ImportedJob) -> str:
    """Return the TOML text of a job, with its comments above it."""
    return "\n".join([*job.comments, f"[jobs.{job.id}]", *_keys(job.table)])


def _job_lines(job: ImportedJob) -> Iterator[str]:
    for text in job.comments:
        yield from _comment(text)
    for remark in job.remarks:
        yield from _comment(f"Note: {remark}.")
    yield f"[jobs.{job.id}]"
    yield from _keys(job.table)


def _leftover_lines(entry: Leftover) -> Iterator[str]:
    if entry.remark:
        yield from _comment(f"Not imported: {entry.remark}.")
    for text in entry.text:
        yield from _comment(text, wraps=not entry.remark)


def _keys(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{key} = {format_value(value)}"


def format_value(value: Any) -> str:
    """Return a value of JSON as TOML on one line."""
    import tomli_w  # lazy: start-up

    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(name)} = {format_value(item)}' for name, item in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(format_value, value))}]"
    is_long = isinstance(value, str) and "\n" in value.rstrip("\n")
    return tomli_w.dumps({"x": value}, multiline_strings=is_long).partition("=")[2].strip()


def _key(name: str) -> str:
    import tomli_w  # lazy: start-up

    return tomli_w.dumps({name: 0}).partition(" =")[0].strip()


def _comment(text: str, *, wraps: bool = True) -> Iterator[str]:
    import textwrap  # lazy: start-up

    plain = "".join(character if character.isprintable() else "?" for character in text)
    lines = textwrap.wrap(plain, WIDTH - 2, break_long_words=False) if wraps else [plain]
    yield from (f"# {line}".rstrip() for line in lines or [""])
