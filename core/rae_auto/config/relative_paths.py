"""Relative paths of jobs and plugins, made absolute where they are read, so that nothing else deals with them.

Options of plugins are paths if their type is `Path`, or if the metadata of their fields say so: `"is_path": True` for
a path or a list of paths, `"is_folder": True` for a working directory, which is the base folder if it is not given.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from attrs import evolve

from rae_auto.api.plugin import Kind, Plugin, PluginSource
from rae_auto.config.hints.shape_hints import LISTS
from rae_auto.config.structure import options_of, variant_of
from rae_auto.errors import PluginError
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.problems import invalid
from rae_auto.model.primitives.references import find_references
from rae_auto.toolkit.secrets import Secret, SecretText

R = TypeVar("R", bound=PluginRef | TriggerRef | GuardRef)


def join_path(path: str, base: str | Path) -> str:
    """Return a path as it is if it begins with / or ~, else below the base folder. Links are kept as written."""
    if not path or path.startswith("~") or os.path.isabs(path):  # noqa: PTH117 - text in, text out
        return path
    return os.path.normpath(os.path.join(base, path))  # noqa: PTH118 - as above


def resolve_ref(ref: R, kind: Kind, plugins: PluginSource, base: str | Path) -> R:
    """Return a reference whose paths are absolute. One to an unknown plugin is returned as it is."""
    if ref.type not in plugins.names(kind):
        return ref
    try:
        options = _resolve_options(plugins.get(kind, ref.type), ref.options, plugins, base)
    except PluginError:
        return ref
    return ref if options == ref.options else evolve(ref, options=options)


def resolve_job(job: Job, plugins: PluginSource) -> Job:
    """Return a job whose paths are absolute, relative to its `directory`; without one as it is. Raises Invalid."""
    base = job.directory
    if base is None:
        return job
    return evolve(
        job,
        cwd=None if job.cwd is None else resolve_directory(job.cwd, base),
        env_file=None if job.env_file is None else resolve_directory(job.env_file, base, "env_file"),
        script=None if job.script is None else resolve_directory(job.script, base, "script"),
        schedule=tuple(resolve_ref(ref, Kind.TRIGGER, plugins, base) for ref in job.schedule),
        guards=tuple(resolve_ref(ref, Kind.GUARD, plugins, base) for ref in job.guards),
        executor=None if job.executor is None else resolve_ref(job.executor, Kind.EXECUTOR, plugins, base),
    )


def resolve_directory(text: str, base: str | Path, key: str = "cwd") -> str:
    """Return a working directory, or the path at another key, as an absolute path. Raises Invalid at the key."""
    try:
        # Not resolved, because links may differ between the daemon and the command that reads the file.
        return os.fspath(base / Path(text).expanduser())
    except RuntimeError:
        raise invalid(f"no home directory for {quote(text.split('/')[0])}; write the whole path", key) from None


def _resolve_options(
    cls: type[Plugin], options: Mapping[str, Any], plugins: PluginSource, base: str | Path
) -> dict[str, Any]:
    resolved = dict(options)
    for name, field in options_of(variant_of(cls, options)).items():
        is_folder = bool(field.metadata.get("is_folder"))
        if is_folder and resolved.get(name) is None:
            resolved[name] = str(base)
        elif name in resolved:
            is_path = is_folder or bool(field.metadata.get("is_path")) or _holds(field.type, (Path,))
            if get_origin(field.type) in LISTS and isinstance(resolved[name], str):
                continue  # An error, which is to show what was written.
            resolved[name] = _resolve_value(resolved[name], is_path, plugins, base)
            if _holds(field.type, (Secret, SecretText)):
                resolved[name] = _resolve_references(resolved[name], base)
    return resolved


def _holds(kind: Any, wanted: tuple[type, ...]) -> bool:
    return kind in wanted or any(_holds(inner, wanted) for inner in get_args(kind))


def _resolve_references(value: Any, base: str | Path) -> Any:
    """Return a secret, or a list or table of some, in which `${file:PATH}` has an absolute path."""
    if isinstance(value, list | tuple):
        return [_resolve_references(item, base) for item in value]
    if isinstance(value, Mapping):
        return {name: _resolve_references(item, base) for name, item in value.items()}
    if isinstance(value, str):
        for reference in find_references(value):
            if reference.kind == "file":
                value = value.replace(reference.text, f"${{file:{join_path(reference.target, base)}}}")
    return value


def _resolve_value(value: Any, is_path: bool, plugins: PluginSource, base: str | Path) -> Any:
    """Return the value of an option: paths are joined, and triggers among options are resolved in turn."""
    if is_path and isinstance(value, str):
        return join_path(value, base)
    if is_path and isinstance(value, list | tuple):
        return [join_path(item, base) if isinstance(item, str) else item for item in value]
    if isinstance(value, Mapping) and isinstance(kind := value.get("type"), str):
        own = {name: item for name, item in value.items() if name != "type"}
        if kind in plugins.names(Kind.TRIGGER):
            try:
                return {"type": kind, **_resolve_options(plugins.get(Kind.TRIGGER, kind), own, plugins, base)}
            except PluginError:
                return value
    return value
