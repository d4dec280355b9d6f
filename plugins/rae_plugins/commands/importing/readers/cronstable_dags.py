"""DAGs of cronstable as jobs: the first tasks have the schedule, and the others start after those they depend on."""

from collections.abc import Mapping
from typing import Any

WITHIN = "24h"
"""The longest time in which all that a task depends on must end; a DAG of cronstable has no such limit."""

_GRAPH_KEYS = ("schedule", "timezone", "utc", "onMissed", "startingDeadlineSeconds", "enabled", "clusterPolicy")
_UNKNOWN: Mapping[str, str] = {
    "expand": "a task for each item of a list has no equivalent",
    "pokeIntervalSeconds": "a sensor becomes a trigger, such as file or threshold",
}


def split_dag(dag: Mapping[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Return the tasks of a DAG as jobs, each with its trigger where that isn't the schedule.

    Raises ValueError, with the reason, for a DAG that can't be said.
    """
    tasks = [task for task in dag.get("tasks", ()) if isinstance(task, Mapping)]
    names = {str(task.get("id", "")): f"{dag.get('name', 'dag')}-{task.get('id', '')}" for task in tasks}
    return [_split_task(task, dag, names) for task in tasks]


def _split_task(
    task: Mapping[str, Any], dag: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    kind = task.get("type", "task")
    for key, reason in _UNKNOWN.items():
        if key in task:
            raise ValueError(reason)
    if kind != "task":
        raise ValueError(f"the task {task.get('id')!r} is of the type {kind!r}, which has no equivalent")
    needed = [str(name) for name in task.get("dependsOn", ())]
    if unknown := [name for name in needed if name not in names]:
        raise ValueError(f"the task {task.get('id')!r} depends on {unknown[0]!r}, which isn't there")
    job = {key: value for key, value in task.items() if key not in ("id", "type", "dependsOn", "triggerRule")}
    job |= {key: dag[key] for key in _GRAPH_KEYS if key in dag and not (needed and key == "schedule")}
    job["name"] = names[str(task.get("id", ""))]
    if retries := int(job.pop("retries", 0)):
        delay = str(job.pop("retryDelaySeconds", 1))
        retry = {"maximumRetries": str(retries), "initialDelay": delay, "maximumDelay": delay, "backoffMultiplier": "1"}
        job["onFailure"] = {**job.get("onFailure", {}), "retry": retry}
    if not needed:
        return job, None if "schedule" in dag else {"type": "manual"}
    trigger: dict[str, Any] = {"type": "job", "jobs": [names[name] for name in needed]}
    if task.get("triggerRule") == "all_done":
        trigger["on"] = "any"
    return job, trigger | ({"mode": "all", "within": WITHIN} if len(needed) > 1 else {})
