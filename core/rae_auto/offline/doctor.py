"""What `rae-auto doctor` looks at: the machine, the state directory, the configuration and its plugins."""

import os
import platform
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from rae_auto.api.executor import Executor
from rae_auto.api.plugin import Kind
from rae_auto.config import Config, load
from rae_auto.errors import ConfigError, PluginError
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.units import format_size
from rae_auto.model.primitives.zones import local_zone_name, zone
from rae_auto.paths import socket_path, state_directory
from rae_auto.registry import Registry, State
from rae_auto.toolkit.mounts import find_mount, read_mounts

LITTLE_SPACE = 100 << 20
FEW_FILES = 256
LONGEST_SOCKET_PATH = 100


@frozen
class Finding:
    """What was looked at and what was seen; `remedy` is there where it is a problem."""

    subject: str
    seen: str
    remedy: str | None = None


def examine(config_path: Path | None) -> Iterator[Finding]:
    """Look at everything but the daemon; nothing is changed."""
    yield _python()
    yield _clocks()
    yield _zones()
    yield _open_files()
    yield _inotify()
    yield from _state(state_directory())
    yield _service()
    registry = Registry()
    config = None
    if config_path is None:
        yield Finding("configuration", "there is none here or above", "write one with 'rae-auto init', or use --config")
    else:
        try:
            config = load(config_path, registry)
            yield Finding("configuration", f"{config_path}: {len(config.jobs)} jobs")
        except ConfigError as error:
            yield from (Finding("configuration", line, "correct it") for line in error.problems)
    yield from _plugins(registry, config)


def _python() -> Finding:
    return Finding("python", f"{platform.python_version()} on {platform.system()} {platform.release()}")


def _clocks() -> Finding:
    has_boot = hasattr(time, "CLOCK_BOOTTIME")
    return Finding("clocks", "suspend is noticed (CLOCK_BOOTTIME)" if has_boot else "suspend can't be told from a step")


def _zones() -> Finding:
    try:
        zone("America/New_York")
    except (ValueError, LookupError) as error:
        return Finding("time zones", str(error), "install tzdata: 'pip install tzdata', or the system's package")
    return Finding("time zones", f"present; the local one is {local_zone_name()}")


def _open_files() -> Finding:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 0 <= soft < FEW_FILES
    return Finding("open files", f"{soft} allowed, at most {hard}", "raise it with 'ulimit -n 1024'" if few else None)


def _inotify() -> Finding:
    place = Path("/proc/sys/fs/inotify")
    try:
        values = {name: int((place / name).read_text()) for name in ("max_user_watches", "max_user_instances")}
    except OSError:
        return Finding("file events", "this system has no inotify")
    few = values["max_user_instances"] < 16 or values["max_user_watches"] < 1024
    return Finding(
        "file events",
        ", ".join(f"{name} {value}" for name, value in values.items()),
        "raise fs.inotify.max_user_watches and max_user_instances with sysctl" if few else None,
    )


def _state(place: Path) -> Iterator[Finding]:
    longest = len(os.fsencode(socket_path(place)))
    if longest > LONGEST_SOCKET_PATH:
        yield Finding("control socket", f"{longest} bytes of path are too long", "set RAE_STATE_DIR to a shorter path")
    if not place.is_dir():
        yield Finding("state", f"{place} isn't there yet; 'rae-auto run' makes it")
        return
    mode, owner = place.stat().st_mode & 0o777, place.stat().st_uid
    if owner != os.geteuid() or not os.access(place, os.W_OK | os.X_OK):
        yield Finding("state", f"{place} is not yours to write", "choose another with RAE_STATE_DIR")
    elif mode & 0o077:
        yield Finding("state", f"{place} is open to others ({mode:o})", f"'chmod 700 {place}'")
    else:
        yield Finding("state", f"{place}, for you alone")
    yield _space(place)
    yield _store(place)


def _space(place: Path) -> Finding:
    free, mount = shutil.disk_usage(place).free, find_mount(place, read_mounts())
    kind = "an unknown file system" if mount is None else mount.type
    seen = f"{format_size(free - free % (1 << 20))} free on {kind}"
    if mount is not None and (mount.is_network or mount.is_shared_with_host):
        return Finding("disk", seen, "locks on network file systems can't be relied on: choose a local RAE_STATE_DIR")
    return Finding("disk", seen, "make room: runs are refused on a full disk" if free < LITTLE_SPACE else None)


def _store(place: Path) -> Finding:
    if not (place / "lock").exists():
        return Finding("store", "none has been made here yet")
    import fcntl

    try:
        with (place / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Finding("store", "in use")
    except OSError as error:
        return Finding("store", f"its lock can't be opened: {error.strerror}", f"look at {place / 'lock'}")
    clean = any(place.glob("*.clean"))
    return Finding("store", "free, after a clean stop" if clean else "free; a next start looks for what a crash left")


def _service() -> Finding:
    places = (Path("~/.config/systemd/user").expanduser(), Path("/etc/systemd/system"))
    found = [place / "rae-auto.service" for place in places if (place / "rae-auto.service").exists()]
    return Finding("service", str(found[0]) if found else "not installed; the daemon runs as long as its terminal")


def _plugins(registry: Registry, config: Config | None) -> Iterator[Finding]:
    for info in registry.infos():
        # Only what is in use is loaded, since a plugin that nobody names is not to be run.
        found = registry.info(info.kind, info.name) if config and (info.kind, info.name) in _used(config) else info
        if found.state in (State.BROKEN, State.UNAVAILABLE):
            what = found.problem or f"{found.kind} {found.name!r} is {found.state}"
            yield Finding("plugin", f"{what} ({found.provenance})", "install another version, or name another plugin")
    yield Finding("plugins", f"{len(registry.infos())} installed; 'rae-auto plugins' lists them")
    executors = {job.executor_ref.type for job in config.jobs} if config else set()
    for name in sorted(executors):
        try:
            executor = registry.get(Kind.EXECUTOR, name)
        except PluginError:
            continue  # told above
        if issubclass(executor, Executor):
            backends = executor.backends()
            told = ", ".join(f"{limit}: {how or 'cannot be enforced here'}" for limit, how in backends.items())
            yield Finding("limits", f"{name}: {told or 'none'}")


def _used(config: Config) -> set[tuple[Kind, str]]:
    refs: list[tuple[Kind, PluginRef]] = [(Kind.STORE, config.store)]
    refs += [(Kind.LOGGER, ref) for ref in config.loggers]
    refs += [(Kind.NOTIFIER, ref) for ref in config.notifiers.values()]
    refs += [(Kind.EXECUTOR, job.executor_ref) for job in config.jobs]
    used = {(kind, ref.type) for kind, ref in refs}
    return used | {(Kind.TRIGGER, ref.type) for job in config.jobs for ref in job.schedule}
