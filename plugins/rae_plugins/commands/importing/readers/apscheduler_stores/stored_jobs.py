"""Jobs of APScheduler 3 in a table that SQLAlchemy made: `id, next_run_time, job_state`, of which the last is a pickle.

A file of SQLite needs nothing but Python; another database needs SQLAlchemy and its driver.
"""

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote
from rae_auto.toolkit.extras import install_command
from rae_plugins.commands.importing.imported import Import, ImportedJob, JobNames, Leftover
from rae_plugins.commands.importing.readers.apscheduler_stores.pickled_values import (
    StandIn,
    find_unsayable,
    read_pickle,
)
from rae_plugins.commands.importing.readers.apscheduler_stores.triggers import StoredTriggers
from rae_plugins.commands.importing.readers.taking import format_seconds, shorten
from rae_plugins.commands.importing.source_files import read_source_bytes

TABLE = "apscheduler_jobs"
MAX_JOBS = 100_000
MISSING_EXTRA = "another database than SQLite needs a further package; run '{}'"
_KIND = "a job store of APScheduler 3"
_COLUMNS = {"id", "next_run_time", "job_state"}
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def read_job_stores(names: Sequence[str], now: datetime | None = None) -> Import:
    """Return the jobs of stores by their addresses, as in sqlite:///jobs.db. Errors: BadRequest, OSError."""
    if not names:
        raise BadRequest("name the address of the job store, as in 'rae-auto import apscheduler sqlite:///jobs.db'")
    taken = JobNames()
    entries: list[ImportedJob | Leftover] = []
    for name in names:
        for id_, content in _read_rows(name):
            entries.append(_read_job(id_, content, taken, now or datetime.now(UTC)))
    remarks = (
        "a job is a process of its own here; for one that shares memory with others set isolated = false",
        "its functions must be found by the daemon: in cwd, or installed",
        "a start that is late by less than a minute is never missed here, whatever misfire_grace_time was",
    )
    return Import(", ".join(map(mask_password, names)), entries, remarks)


def mask_password(address: str) -> str:
    """Return an address without its password."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:…@", address)


def _read_rows(address: str) -> Iterator[tuple[str, bytes]]:
    scheme, separator, rest = address.partition("://")
    if not separator or scheme.partition("+")[0] == "sqlite":
        path = Path((rest.removeprefix("/") if separator else address).partition("?")[0]).expanduser()
        return _read_sqlite(path)
    return _read_database(address)


def _read_sqlite(path: Path) -> Iterator[tuple[str, bytes]]:
    if not read_source_bytes(path, _KIND, limited=False).startswith(b"SQLite format 3\0"):
        raise BadRequest(f"{quote(path)} is not a database of SQLite, so it is not {_KIND}; name another file")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            columns = {
                table: {row[1] for row in connection.execute("SELECT * FROM pragma_table_info(?)", (table,))}
                for table in tables
            }
            table = _choose_table(columns, quote(path))
            name = '"' + table.replace('"', '""') + '"'
            query = f"SELECT id, job_state FROM {name} ORDER BY id LIMIT ?"  # noqa: S608 - a name of this database
            yield from [(str(id_), bytes(content)) for id_, content in connection.execute(query, (MAX_JOBS,))]
        finally:
            connection.close()
    except (sqlite3.Error, TypeError) as error:
        raise BadRequest(f"{quote(path)} can't be read as {_KIND}: {error}") from None


def _read_database(address: str) -> Iterator[tuple[str, bytes]]:
    shown = quote(mask_password(address))
    try:
        import sqlalchemy  # lazy: an extra
    except ImportError:
        raise BadRequest(MISSING_EXTRA.format(install_command("apscheduler"))) from None
    try:
        engine = sqlalchemy.create_engine(address)
        with contextlib.ExitStack() as opened:
            opened.callback(engine.dispose)
            connection = opened.enter_context(engine.connect())
            inspector = sqlalchemy.inspect(connection)
            columns = {
                name: {one["name"] for one in inspector.get_columns(name)} for name in inspector.get_table_names()
            }
            table = sqlalchemy.table(
                _choose_table(columns, shown), sqlalchemy.column("id"), sqlalchemy.column("job_state")
            )
            rows = connection.execute(sqlalchemy.select(table).order_by(table.c.id).limit(MAX_JOBS)).all()
    except ImportError as error:
        raise BadRequest(f"{shown} needs the driver {error.name}; run 'pip install {error.name}'") from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        problem = " ".join(str(error).split()).partition("(Background")[0]
        raise BadRequest(f"{shown} can't be read as {_KIND}: {mask_password(problem)[:200]}") from None
    yield from [(str(id_), bytes(content)) for id_, content in rows]


def _choose_table(columns: dict[str, set[str]], shown: str) -> str:
    found = [name for name, names in columns.items() if names == _COLUMNS]
    if not found:
        raise BadRequest(f"{shown} has no table of jobs, such as {TABLE}, so it is not {_KIND}; name another one")
    if len(found) > 1 and TABLE not in found:
        raise BadRequest(f"{shown} has several tables of jobs: {', '.join(found)}; copy the one that counts")
    return TABLE if TABLE in found else found[0]


def _read_job(id_: str, content: bytes, taken: JobNames, now: datetime) -> ImportedJob | Leftover:
    remarks: list[str] = []
    try:
        state = read_pickle(content)
        if not isinstance(state, dict) or not isinstance(state.get("trigger"), StandIn):
            raise ValueError("it is not a job of APScheduler 3")
        return _build_job(id_, dict(state), taken, remarks, now)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return Leftover((id_, *remarks), f"{id_}: {shorten(error)}")


def _build_job(id_: str, state: dict[str, Any], taken: JobNames, remarks: list[str], now: datetime) -> ImportedJob:
    function = str(state.get("func"))
    if not _REFERENCE.fullmatch(function):
        raise ValueError(f"the reference {function!r:.60} is not a function of a module")
    found = StoredTriggers(now, remarks)
    found.read(type(state["trigger"]).__name__, state["trigger"].state)
    table: dict[str, Any] = {"python": function}
    if (title := state.get("name")) and title not in (id_, function.rpartition(":")[2]):
        table["name"] = str(title)
    table |= _read_arguments(state, remarks)
    triggers = found.triggers or [{"type": "manual"}]
    table |= {"trigger": triggers[0]} if len(triggers) == 1 else {"triggers": triggers}
    if found.guards:
        table["guards"] = found.guards
    table |= _read_policies(state, remarks)
    if state.get("next_run_time") is None and found.triggers:
        table["enabled"] = False
        remarks.append("is paused there, so it is disabled here")
    return ImportedJob(id=taken.take(id_), table=table, remarks=tuple(remarks), times=tuple(found.times))


def _read_arguments(state: dict[str, Any], remarks: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, empty in (("args", ()), ("kwargs", {})):
        value: Any = state.get(key) or empty
        if (problem := find_unsayable(value)) is not None:
            remarks.append(f"its {key} hold {problem}, which JSON can't say; set them, and remove enabled = false")
            found["enabled"] = False
        elif value:
            found[key] = value
    return found


def _read_policies(state: dict[str, Any], remarks: list[str]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    grace = state.get("misfire_grace_time")
    if isinstance(grace, int | float) and grace < 60:
        table["catch_up"] = "none"
    else:
        if not state.get("coalesce", True):
            table["catch_up"] = "all"
        if isinstance(grace, int | float):
            table["catch_up_window"] = format_seconds(grace)
    instances = state.get("max_instances") or 1
    if instances > 1:
        table |= {"overlap": "allow", "overlap_max": int(instances)}
    if (executor := state.get("executor", "default")) != "default":
        remarks.append(f"runs in the executor {executor!r} there; here in a process of its own")
    return table
