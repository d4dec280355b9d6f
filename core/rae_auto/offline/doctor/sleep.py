"""Checks for jobs at night, which need a machine that is awake, and a service that runs without a session."""

import configparser
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, tzinfo
from itertools import islice

from rae_auto.engine.plan import Plan
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.schedule import Schedule
from rae_auto.offline.doctor.facts import Machine
from rae_auto.offline.doctor.finding import Finding
from rae_auto.offline.doctor.kde_sleep import read_kde_sleep
from rae_auto.service.status import ServiceStatus

NIGHT_HOURS = range(6)
MAX_LISTED_JOBS = 3
MAX_STARTS = 200
"""Starts of a schedule that are looked at, in a week."""

_SLEEPING_ACTIONS = {"suspend", "hibernate", "hybrid-sleep", "suspend-then-hibernate", "poweroff", "halt"}
_LOGIND_FILES = ("/usr/lib/systemd/logind.conf", "/etc/systemd/logind.conf")
_LOGIND_FOLDERS = ("/usr/lib/systemd/logind.conf.d", "/run/systemd/logind.conf.d", "/etc/systemd/logind.conf.d")
_SLEEP_TARGET = "/etc/systemd/system/sleep.target"


def find_night_starts(plans: Iterable[Plan], zone: tzinfo, now: datetime) -> dict[str, datetime]:
    """Return the first start at night of each job that has one in the week ahead."""
    return {plan.job.id: start for plan in plans if (start := _find_night_start(plan, zone, now))}


def check_sleep(starts: Mapping[str, datetime], machine: Machine) -> Iterator[Finding]:
    """Check that the machine stays awake by its settings for `starts` at night."""
    settings = list(find_sleep_settings(machine))
    if settings and not starts:
        yield Finding("sleep", f"the machine sleeps when it is not used ({settings[0][0]}); no job starts at night")
        return
    for setting, hint in settings:
        when = f"and so at the starts of {_list_starts(starts)}"
        yield Finding("sleep", f"the machine sleeps when it is not used ({setting}), {when}", hint)


def check_lingering(starts: Mapping[str, datetime], services: Iterable[ServiceStatus]) -> Iterator[Finding]:
    """Check that services run for `starts` at night, when people have logged out."""
    for service in services if starts else ():
        if service.origin is not None and service.has_linger is False:
            observation = f"{service.path} runs while you are logged in, and {_list_starts(starts)} start at night"
            yield Finding("service", observation, "run 'loginctl enable-linger', so that it runs at all times")


def _list_starts(starts: Mapping[str, datetime]) -> str:
    jobs = [f"{quote(job)} ({start:%H:%M})" for job, start in islice(starts.items(), MAX_LISTED_JOBS)]
    more = len(starts) - len(jobs)
    return ", ".join(jobs) + (f" and {format_count(more, 'more job')}" if more else "")


def find_sleep_settings(machine: Machine) -> Iterator[tuple[str, str]]:
    """Yield each setting that sends an unused machine on mains power to sleep, with the remedy."""
    target = machine.path(_SLEEP_TARGET)
    if target.is_symlink() and str(target.readlink()) == "/dev/null":
        return  # Masked: nothing can send the machine to sleep.
    action, source = _read_idle_action(machine)
    if action in _SLEEPING_ACTIONS:
        yield f"IdleAction={action} in {source}", f"set IdleAction=ignore in {_LOGIND_FILES[1]} and restart logind"
    schema = "org.gnome.settings-daemon.plugins.power"
    kind = (machine.run("gsettings", "get", schema, "sleep-inactive-ac-type") or "").strip("'")
    seconds = (machine.run("gsettings", "get", schema, "sleep-inactive-ac-timeout") or "0").split()[-1]
    if kind in _SLEEPING_ACTIONS and seconds != "0":
        yield (
            f"{kind} after {seconds} s in the settings of GNOME",
            f"run 'gsettings set {schema} sleep-inactive-ac-type nothing'",
        )
    if (kde := read_kde_sleep(machine)) is not None:
        yield kde
    minutes = _read_pmset(machine.run("pmset", "-g", "custom") or "")
    if minutes:
        yield (
            f"sleep after {minutes} min on mains power",
            "run 'sudo pmset -c sleep 0', or 'pmset repeat wake' for the time",
        )


def _find_night_start(plan: Plan, zone: tzinfo, now: datetime) -> datetime | None:
    """Return the first start of a job in the week ahead that is at night, in the time of the zone."""
    if not plan.job.enabled:
        return None
    # Of those that count from the last run the instants to come are not known.
    for schedule in (schedule for id_, schedule in plan.schedules.items() if id_ not in plan.run_points):
        for instant in islice(_starts(schedule, now), MAX_STARTS):
            local = instant.astimezone(zone)
            if local.hour in NIGHT_HOURS:
                return local
    return None


def _starts(schedule: Schedule, now: datetime) -> Iterator[datetime]:
    instant: datetime | None = now
    while instant is not None and instant < now + timedelta(days=7):
        try:
            instant = schedule.next_after(instant)
        except Exception:
            return  # a matter of the quarantine when it runs
        if instant is not None:
            yield instant


def _read_idle_action(machine: Machine) -> tuple[str, str]:
    """Return what logind does with an unused machine, and the file that says so: the last of logind.conf(5)."""
    files = [*_LOGIND_FILES]
    dropped: dict[str, str] = {}
    for folder in _LOGIND_FOLDERS:
        directory = machine.path(folder)
        if directory.is_dir():
            dropped.update({path.name: f"{folder}/{path.name}" for path in directory.glob("*.conf")})
    files += [dropped[name] for name in sorted(dropped)]
    action, source = "ignore", files[0]
    for path in files:
        parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
        try:
            parser.read_string(machine.read(path) or "")
            settings: Mapping[str, str] = parser["Login"]
        except (configparser.Error, KeyError):
            continue
        if settings.get("IdleAction"):
            action, source = settings["IdleAction"].strip(), path
    return action, source


def _read_pmset(text: str) -> int:
    """Return the minutes after which macOS sleeps on mains power (pmset(1)); 0 for never, or if that isn't known."""
    _, _, mains = text.partition("AC Power:")
    for line in mains.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "sleep" and words[1].isdigit():
            return int(words[1])
    return 0
