"""Checks of the store: its contents, what was lost of it, and the jobs in it."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rae_auto.api.store import CorruptDocument, Store
from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import InvalidJob, PluginError, StoreError
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.notices.outbox import OutboxNotice, describe_failing
from rae_auto.model.primitives.formatting import format_count
from rae_auto.offline.doctor.finding import Finding
from rae_auto.offline.project import Project
from rae_auto.offline.queries import load_values
from rae_auto.records.setbacks import NotedSetback, read_setbacks

NOTICES = "notices"
"""The subject of findings about notices that can't be delivered."""


def check_store(project: Project) -> Iterator[Finding]:
    """Read all of the store of a project, without its lock, and report what is damaged and what was lost."""
    directory = project.directory
    if not (directory / "lock").exists():
        return
    hint = "start the daemon, which repairs what it can and keeps what is damaged; its log says what was lost"
    try:
        with project.read_store() as store:
            for _ in store.dump():
                pass
            damaged = sum(isinstance(body, CorruptDocument) for kind in documents.KINDS for _, body in store.load(kind))
            yield from _stored_jobs(project, store)
            notices = load_values(store, documents.NOTICE, OutboxNotice)
            yield from (
                Finding.from_message(NOTICES, line, "run 'rae-auto notify outbox'")
                for line in describe_failing(notices)
            )
        if damaged:
            yield Finding("store", f"{format_count(damaged, 'document')} of the store can't be read", hint)
    except (StoreError, PluginError) as error:
        yield Finding("store", str(error), hint)
    yield from (Finding("store", notice, hint) for notice in project.notices)
    noted = read_setbacks(directory)
    if restores := [one for one in noted if one.is_restore]:
        yield Finding("store", _describe_restores(restores))
    if steps := [one for one in noted if not one.is_restore]:
        yield Finding("store", _describe_setbacks(steps))
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


def _describe_restores(restores: Sequence[NotedSetback]) -> str:
    """Return a line about the restores on record: how many, and the backup of the last one."""
    count, last = format_count(len(restores), "time"), restores[-1]
    backup = "" if last.setback.since is None else f", from the backup of {last.setback.since:%Y-%m-%d %H:%M:%S} UTC"
    return f"restored {count}; the last time on {last.noticed_at:%Y-%m-%d %H:%M:%S} UTC{backup}"


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
