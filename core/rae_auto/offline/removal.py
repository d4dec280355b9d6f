"""Removal of an added job while no daemon is running, from the store, under its lock."""

from collections.abc import Collection, Mapping

from rae_auto.api.store import Change, Delete
from rae_auto.errors import JobInUse, JobNotFound
from rae_auto.model import documents
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.offline.project import Project


def remove_stored_job(project: Project, job: str) -> None:
    """Remove a job that was added by hand. Its open runs end at the next start of the daemon.

    Errors: StoreLocked if a daemon has the store open; JobNotFound, JobInUse, StoreError.
    """
    with project.open_store() as store:
        stored = dict(store.load(documents.JOB))
        if job not in stored:
            if job in project.job_names:
                raise JobInUse(f"job {quote(job)} is defined in {project.path}; remove it there")
            near = did_you_mean(job, stored) or "; 'rae-auto list' shows all jobs"
            raise JobNotFound(f"no job {quote(job)} was added{near}")
        if job not in project.job_names and (others := _needed_by(project, stored, job)):
            raise JobInUse(f"job {quote(job)} is needed by {', '.join(map(quote, others))}; remove those first")
        changes: list[Change] = [Delete(documents.JOB, job)]
        if job not in project.job_names:
            changes.append(Delete(documents.STATE, job))
        store.commit(changes)


def _needed_by(project: Project, stored: Mapping[str, object], job: str) -> list[str]:
    needs: dict[str, Collection[str]] = {
        name: document.get("needs", ()) for name, document in stored.items() if isinstance(document, dict)
    }
    needs.update({other.id: other.needs for other in project.config.jobs})
    return [name for name, wanted in needs.items() if job in wanted]
