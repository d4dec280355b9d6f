"""Pure answers about the workers of a cluster: which could take an attempt, and why none can."""

from collections.abc import Collection, Mapping
from typing import Any

Workers = Mapping[str, Mapping[str, Any]]
"""Workers by address, as the scheduler describes them."""


def is_fit(worker: Mapping[str, Any], labels: Collection[str], resources: Mapping[str, float]) -> bool:
    """Return whether a worker has the labels, and as much of each resource, and takes tasks."""
    supplied = worker.get("resources") or {}
    return (
        worker.get("status", "running") == "running"
        and all(label in supplied for label in labels)
        and all(supplied.get(name, 0.0) >= amount for name, amount in resources.items())
    )


def find_problem(
    workers: Workers, scheduler: str, labels: Collection[str], resources: Mapping[str, float]
) -> str | None:
    """Return why no worker could take an attempt, in one line with the remedy; None if one could."""
    if any(is_fit(worker, labels, resources) for worker in workers.values()):
        return None
    if not workers:
        return f"{scheduler} has no workers; start one with 'dask worker {scheduler}'"
    running = [worker for worker in workers.values() if worker.get("status", "running") == "running"]
    if not running:
        return f"{scheduler} has {_count(len(workers))}, but none takes tasks now"
    wanted = [f'label "{label}"' for label in labels] + [
        f'{amount:g} of "{name}"' for name, amount in resources.items()
    ]
    example = " ".join(f"{name}={amount:g}" for name, amount in {**dict.fromkeys(labels, 1), **resources}.items())
    return f'none of its {_count(len(running))} has {_join(wanted)}; start one with --resources "{example}"'


def _count(number: int) -> str:
    return "1 worker" if number == 1 else f"{number} workers"


def _join(words: Collection[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
