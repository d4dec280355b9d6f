"""What can be told while no daemon runs: its store, opened for a moment."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rae_auto.api.store import Damaged, LogQuery, Store
from rae_auto.config import load
from rae_auto.config.paths import state_directory
from rae_auto.daemon.backups import write
from rae_auto.daemon.clock import SystemClock
from rae_auto.daemon.plugins import Plugins
from rae_auto.daemon.queries import log_query, optional_instant, optional_text
from rae_auto.daemon.statistics import statistics_of
from rae_auto.errors import StoreError
from rae_auto.model import documents
from rae_auto.model.records import run_record
from rae_auto.model.run import Run
from rae_auto.registry import Registry


def history(config_path: Path, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Runs as the control command `history` gives them, the open ones first. Errors: ConfigError, StoreError."""
    return histories(config_path, [query])[0]


def histories(config_path: Path, queries: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    """The answers to several such questions. Errors: as `history`."""
    with _store_of(config_path) as store:
        wanted = [log_query(query) for query in queries]
        opened = [documents.load(Run, body) for _, body in store.load(documents.RUN) if not isinstance(body, Damaged)]
        return [_answer(store, opened, query) for query in wanted]


def _answer(store: Store, opened: Sequence[Run], wanted: LogQuery) -> list[dict[str, Any]]:
    past = [documents.load(Run, body) for body in store.query(documents.RUNS, wanted)]
    matching = [run for run in opened if wanted.takes(run.id, run.job, run.state, run.queued_at)]
    newest_first = sorted([*matching, *past], key=lambda run: (run.queued_at, run.id), reverse=True)
    return [run_record(run) for run in newest_first[: wanted.limit]]


def stats(config_path: Path, query: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as the control command `stats` gives them. Errors: ConfigError, StoreError."""
    with _store_of(config_path) as store:
        return statistics_of(store, optional_text(query, "job"), optional_instant(query, "since")).record()


def backup(config_path: Path, target: Path, *, replace: bool) -> dict[str, Any]:
    """Back up as the control command `backup` does. Errors: ConfigError, StoreError."""
    with _store_of(config_path) as store:
        return write(target, store.dump(), SystemClock().now().wall, replace=replace).record()


@contextmanager
def _store_of(config_path: Path) -> Iterator[Store]:
    registry = Registry()
    config = load(config_path, registry)
    directory = state_directory()
    if not directory.is_dir():
        raise StoreError(f"there is no state in {directory} yet; 'rae-auto run' makes it")
    store = Plugins(registry, config.timezone).store(config.store)
    store.open(directory)
    try:
        yield store
    finally:
        store.close()
