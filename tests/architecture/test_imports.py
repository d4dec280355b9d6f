"""Modules that a command may import: budgets that are counts, not times."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import rae_auto
import rae_plugins
from rae_auto.registry.inspection.module_rules import PUBLIC_ROOMS


def imported_by(*arguments: str, state: Path | None = None, code: int = 0) -> set[str]:
    """The modules that are imported by `rae-auto` with these arguments, beside those of a bare interpreter."""
    command = [sys.executable, "-X", "importtime", "-m", "rae_auto", *arguments]
    environment = {**os.environ, "RAE_STATE_DIR": str(state)} if state else None
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert found.returncode == code, found.stderr
    timings = [line for line in found.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in timings}


def test_version_imports_no_plugin_and_next_to_nothing_else() -> None:
    modules = imported_by("--version")
    assert {name for name in modules if name.startswith("rae_plugins")} == set()
    assert {name for name in modules if name.split(".")[0] in {"attrs", "cattrs", "click", "loguru", "pluggy"}} == set()
    assert len({name for name in modules if name.startswith("rae_auto")}) <= 6


def test_help_imports_neither_plugins_nor_what_parses_commands() -> None:
    modules = imported_by("--help")
    heavy = {"asyncio", "attrs", "cattrs", "click", "email", "importlib.metadata", "json", "pathlib", "socket"}
    assert {name for name in modules if name in heavy or name.startswith("rae_plugins")} == set()


def test_asking_the_daemon_imports_neither_engine_nor_plugins(tmp_path: Path) -> None:
    """It has one question to put to a socket: no model, no configuration, no plugin machinery, and no click."""
    modules = imported_by("status", state=tmp_path, code=3)
    heavy = {"attrs", "cattrs", "click", "croniter", "email", "loguru", "pluggy", "asyncio", "shutil", "subprocess"}
    assert {name.split(".")[0] for name in modules} & heavy == set()
    assert not [
        name
        for name in modules
        if name.startswith(("rae_plugins", "rae_auto.engine", "rae_auto.daemon", "rae_auto.runtime"))
    ]


def test_page_listens_before_it_imports_what_its_screens_need() -> None:
    """The link is printed after this; templates, records and the first screen are imported while a browser starts."""
    program = "import sys, rae_plugins.commands.ui.server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert {name.split(".")[0] for name in modules} & {
        "cattrs",
        "croniter",
        "importlib_metadata",
        "jinja2",
        "loguru",
    } == set()
    late = (
        "rae_auto.control",
        "rae_auto.engine",
        "rae_auto.explain",
        "rae_auto.reading",
        "rae_auto.records",
        "rae_auto.views",
    )
    assert not [name for name in modules if name.startswith(late)]
    assert len([name for name in modules if name.startswith(("rae_auto", "rae_plugins"))]) <= 67


def test_help_of_a_plugin_command_imports_neither_engine_nor_stores() -> None:
    modules = imported_by("ui", "--help")
    assert {name.split(".")[0] for name in modules} & {"croniter", "jinja2", "loguru", "starlette", "uvicorn"} == set()
    assert not [name for name in modules if name.startswith(("rae_auto.engine", "rae_auto.runtime"))]
    # What failures are printed by.
    views = {name for name in modules if name.startswith("rae_auto.views.")}
    assert views <= {"rae_auto.views.tables", "rae_auto.views.table_layout"}
    assert len({name for name in modules if name.startswith(("rae_auto", "rae_plugins"))}) <= 100


def test_first_page_reads_a_daemon_without_the_engine() -> None:
    """The process that computes what is to come imports the engine and the plugins, and ends."""
    program = "import sys, rae_plugins.commands.ui.pages as pages; pages.import_first_page(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert {name.split(".")[0] for name in modules} & {"croniter", "loguru"} == set()
    assert not [
        name for name in modules if name.startswith(("rae_auto.engine", "rae_auto.registry", "rae_auto.runtime"))
    ]


def test_terminal_view_and_connection_need_no_engine() -> None:
    program = "import sys, rae_plugins.commands.top.app, rae_plugins.commands.top.reading as reading; "
    program += "from rae_auto import connect; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    # Digests bring OpenSSL, which takes as much memory as a thousand jobs.
    assert {name.split(".")[0] for name in modules} & {"croniter", "loguru", "hashlib"} == set()
    assert not [
        name
        for name in modules
        if name.startswith(("rae_auto.engine", "rae_auto.offline", "rae_auto.registry", "rae_auto.runtime"))
    ]


def test_built_in_plugins_import_only_what_is_public() -> None:
    """The same rooms that `plugins check` leaves to others."""
    private = {
        f"{path.name}:{line}: {name}"
        for path in Path(rae_plugins.__path__[0]).rglob("*.py")
        for name, line in _modules_of_the_core(ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[1] not in PUBLIC_ROOMS
    }
    assert private == set()


def _modules_of_the_core(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module]
        yield from ((name, node.lineno) for name in names if name.startswith("rae_auto."))  # type: ignore[attr-defined]


def test_own_processes_import_nothing_from_the_working_directory() -> None:
    rooms = (Path(rae_plugins.__file__).parent, Path(rae_auto.__file__).parent)
    found = [
        f"{path.name}:{node.lineno}"
        for room in rooms
        for path in sorted(room.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.List | ast.Tuple | ast.Call)
        for words in [[ast.unparse(one) for one in (node.args if isinstance(node, ast.Call) else node.elts)]]
        if "'-m'" in words and {"'rae_auto'", "__name__"} & set(words) and "'-P'" not in words
    ]
    assert found == []


def test_functions_that_print_nothing_import_no_executor_of_processes(tmp_path: Path) -> None:
    program = f"""
import asyncio, sys
from rae_auto import Job, Scheduler

async def main():
    async with Scheduler(directory={str(tmp_path)!r}) as scheduler:
        await scheduler.add_job(Job(id="a", python="time:time"))
        await scheduler.wait(await scheduler.trigger("a"))

asyncio.run(main())
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert not [name for name in done.stdout.split() if name.startswith("rae_plugins.executors.process")]
