"""A plugin of pytest that collects tests as on Windows: `pytest -p tests.support.pretended_collection`."""

import pytest
from tests.support import pretended_windows


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    pretended_windows.preload()
    pretended_windows.put_stand_ins()
    pretended_windows.pretend()
