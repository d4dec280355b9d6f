"""The checks of `rae-auto doctor`: the machine, the state directory, the configuration and its plugins."""

import contextlib
import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from rae_auto.api.executor import Executor
from rae_auto.api.plugin import Kind
from rae_auto.api.store import CorruptDocument, Store
from rae_auto.config import Config
from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import ConfigError, InvalidJob, PluginError, StoreError
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.formatting import format_bytes, format_count, quote
from rae_auto.model.primitives.zones import local_zone_name, zone
from rae_auto.offline.project import Project
from rae_auto.paths import socket_path, state_directory
from rae_auto.records.setbacks import NotedSetback, read_setbacks
from rae_auto.registry import Registry, State
from rae_auto.service.manager import platform_adapter
from rae_auto.service.status import find_services
from rae_auto.toolkit.mounts import find_mount, read_mounts

MIN_FREE_BYTES = 100 << 20
MIN_OPEN_FILES = 256
MIN_INOTIFY_INSTANCES = 16
MIN_INOTIFY_WATCHES = 1024
MAX_SOCKET_PATH_BYTES = 100

_NO_CONFIGURATION = ("no rae.toml here or in a parent directory", "create one with 'rae-auto init', or use --config")


@frozen
class Finding:
    """The result of one check: its subject, what was observed, and a hint if it is a problem."""

    subject: str
    observation: str
    hint: str | None = None


def diagnose(config_path: Path | None) -> Iterator[Finding]:
    """Check everything but the daemon, and change nothing."""
    yield _python()
    yield _clocks()
    yield _zones()
    yield _open_files()
    yield _inotify()
    yield from _state(state_directory(config_path))
    yield from _service()
    registry = Registry()
    config = None
    if config_path is None:
        yield Finding(
            "configuration",
            "no rae.toml here or in a parent directory",
            "create one with 'rae-auto init', or use --config",
        )
    else:
        try:
            project = Project.load(config_path, registry)
            config = project.config
            yield Finding("configuration", f"{config_path}: {format_count(len(config.jobs), 'job')}")
            yield from _contents(project, project.directory)
        except ConfigError as error:
            yield from (Finding("configuration", line, "correct the line") for line in error.problems)
    yield from _plugins(registry, config)


def _python() -> Finding:
    return Finding("python", f"{platform.python_version()} on {platform.system()} {platform.release()}")


def _clocks() -> Finding:
    has_boot = hasattr(time, "CLOCK_BOOTTIME")
    return Finding(
        "clocks",
        "suspend is detected" if has_boot else "suspend looks like a clock change",
    )


def _zones() -> Finding:
    try:
        zone("America/New_York")
    except (ValueError, LookupError) as error:
        return Finding("time zones", str(error), "install tzdata: 'pip install tzdata', or the system's package")
    return Finding("time zones", f"installed; the local time zone is {local_zone_name()}")


def _open_files() -> Finding:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hint = "raise the limit with 'ulimit -n 1024'" if 0 <= soft < MIN_OPEN_FILES else None
    return Finding(
        "open files",
        f"the limit is {soft}" if soft == hard else f"the limit is {soft}, and can be raised to {hard}",
        hint,
    )


def _inotify() -> Finding:
    settings = Path("/proc/sys/fs/inotify")
    try:
        values = {name: int((settings / name).read_text()) for name in ("max_user_watches", "max_user_instances")}
    except OSError:
        return Finding("file events", "inotify is not available on this system")
    is_low = values["max_user_instances"] < MIN_INOTIFY_INSTANCES or values["max_user_watches"] < MIN_INOTIFY_WATCHES
    return Finding(
        "file events",
        ", ".join(f"{name} {value}" for name, value in values.items()),
        "raise fs.inotify.max_user_watches and max_user_instances with 'sysctl'" if is_low else None,
    )


def _state(directory: Path) -> Iterator[Finding]:
    length = len(os.fsencode(socket_path(directory)))
    if length > MAX_SOCKET_PATH_BYTES:
        observation = f"the path has {length} bytes, of {MAX_SOCKET_PATH_BYTES} possible"
        yield Finding("control socket", observation, "set RAE_STATE_DIR to a shorter path")
    if not directory.is_dir():
        yield Finding("state", f"{directory} does not exist yet; 'rae-auto run' creates it")
        return
    mode, owner = directory.stat().st_mode & 0o777, directory.stat().st_uid
    if owner != os.geteuid() or not os.access(directory, os.W_OK | os.X_OK):
        yield Finding("state", f"you can't write to {directory}", "choose another directory with RAE_STATE_DIR")
    elif mode & 0o077:
        hint = f"make it private with 'chmod 700 {directory}'"
        yield Finding("state", f"{directory} can be read by other users (mode {mode:o})", hint)
    else:
        yield Finding("state", f"{directory} is private")
    yield _disk(directory)
    yield _store(directory)


def _disk(directory: Path) -> Finding:
    free, mount = shutil.disk_usage(directory).free, find_mount(directory, read_mounts())
    kind = "an unknown file system" if mount is None else mount.type
    observation = f"{format_bytes(free)} free on {kind}"
    if mount is not None and (mount.is_network or mount.is_shared_with_host):
        hint = "set RAE_STATE_DIR to a local directory, because locks on network file systems are unreliable"
        return Finding("disk", observation, hint)
    hint = "free some space: no run can start on a full disk"
    return Finding("disk", observation, hint if free < MIN_FREE_BYTES else None)


def _store(directory: Path) -> Finding:
    lock = directory / "lock"
    if not lock.exists():
        return Finding("store", "not created yet")
    import fcntl

    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Finding("store", "in use")
    except OSError as error:
        return Finding("store", f"can't open its lock: {error.strerror}", f"check the permissions of {lock}")
    is_clean = any(directory.glob("*.clean"))
    crash = "not in use; the last daemon crashed, and the next one recovers its runs"
    return Finding("store", "not in use; the last daemon stopped cleanly" if is_clean else crash)


def _contents(project: Project, directory: Path) -> Iterator[Finding]:
    """Read all of the store, without its lock."""
    if not (directory / "lock").exists():
        return
    hint = "start the daemon, which repairs what it can and keeps what is damaged; its log says what was lost"
    try:
        with project.read_store() as store:
            for _ in store.dump():
                pass
            yield from _stored_jobs(project, store)
    except (StoreError, PluginError) as error:
        yield Finding("store", str(error), hint)
    yield from (Finding("store", notice, hint) for notice in project.notices)
    if noted := read_setbacks(directory):
        yield Finding("store", _describe_setbacks(noted))
    kept = sorted(path.name for path in directory.glob("*.corrupt-*"))
    if kept:
        count = format_count(len(kept), "file")
        yield Finding("store", f"{count} with damaged data in {directory}: {', '.join(kept[-3:])}")
    rows = sum(map(_count_kept, directory.glob("*.corrupt-*.json")))
    if rows:
        since = min(name.partition(".corrupt-")[2][:8] for name in kept if name.endswith(".json"))
        day = f"{since[:4]}-{since[4:6]}-{since[6:]}"
        yield Finding(
            "store", f"{format_count(rows, 'damaged row or document', 'damaged rows or documents')} since {day}"
        )


def _describe_setbacks(noted: Sequence[NotedSetback]) -> str:
    """Return a line about the steps back of a store: how many, how much they lost, and the last one."""
    count = format_count(len(noted), "time")
    commits = [one.setback.commits for one in noted]
    lost = format_count(sum(filter(None, commits)), "commit")
    if None in commits:
        lost = f"{lost} and an unknown number more" if any(commits) else "an unknown number of commits"
    last = noted[-1]
    since = "an earlier time" if last.setback.since is None else f"{last.setback.since:%Y-%m-%d %H:%M:%S} UTC"
    noticed = f"{last.noticed_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"went back to an older state {count} and lost {lost}; the last time on {noticed}, to the state of {since}"


def _stored_jobs(project: Project, store: Store) -> Iterator[Finding]:
    """Report the jobs of the store that can't be used, for instance because a plugin is gone: each is held alone."""
    for _, body in store.load(documents.JOB):
        if isinstance(body, CorruptDocument):
            continue  # Reported as damage.
        try:
            project.plugins.plan(documents.load(Job, body), JobOrigin.STORE)
        except InvalidJob as error:
            hint = "install its plugin and restart the daemon, or remove the job; until then it starts nothing"
            yield Finding("added job", str(error), hint)


def _count_kept(path: Path) -> int:
    """Return the number of damaged rows or documents in a file that keeps them."""
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(path.read_bytes())
        return len(kept) if isinstance(kept, list) else 0
    return 0


def _service() -> Iterator[Finding]:
    platform = platform_adapter()
    services = list(find_services(platform))
    if not services:
        yield Finding(
            "service",
            "none is installed, so nothing starts the daemon when you log in; 'rae-auto service install' does",
        )
    for service in services:
        yield Finding("service", service.describe(platform.TITLE), service.hint())


def _plugins(registry: Registry, config: Config | None) -> Iterator[Finding]:
    for info in registry.infos():
        # Only plugins in use are loaded, because loading runs their code.
        loaded = registry.info(info.kind, info.name) if config and (info.kind, info.name) in _used(config) else info
        if loaded.state in (State.BROKEN, State.UNAVAILABLE):
            observation = loaded.problem or f"{loaded.kind} {quote(loaded.name)} is {loaded.state}"
            observation = f"{observation} ({loaded.provenance})"
            yield Finding("plugin", observation, "install another version, or use another plugin")
    yield Finding("plugins", f"{len(registry.infos())} installed; 'rae-auto plugins' lists them")
    executors = {job.executor_ref.type for job in config.jobs} if config else set()
    for name in sorted(executors):
        try:
            executor = registry.get(Kind.EXECUTOR, name)
        except PluginError:
            continue  # Reported above.
        if issubclass(executor, Executor):
            backends = executor.backends()
            limits = ", ".join(f"{limit}: {how or 'not enforceable here'}" for limit, how in backends.items())
            yield Finding("limits", f"{name}: {limits or 'none'}")


def _used(config: Config) -> set[tuple[Kind, str]]:
    refs: list[tuple[Kind, PluginRef]] = [(Kind.STORE, config.store)]
    refs += [(Kind.LOGGER, ref) for ref in config.loggers]
    refs += [(Kind.NOTIFIER, ref) for ref in config.notifiers.values()]
    refs += [(Kind.EXECUTOR, job.executor_ref) for job in config.jobs]
    used = {(kind, ref.type) for kind, ref in refs}
    return used | {(Kind.TRIGGER, ref.type) for job in config.jobs for ref in job.schedule}
