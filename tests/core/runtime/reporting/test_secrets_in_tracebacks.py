"""Errors that are logged with their traceback show neither local variables nor known secrets."""

from pathlib import Path

import pytest
from loguru import logger

from rae_auto.runtime.reporting.log_setup import attach, detach, hide
from rae_plugins.loggers.file import FileLogger

LOCAL, KNOWN = "canary-in-a-variable", "canary-in-the-error"


class GreedyLogger(FileLogger):
    """A logger that asks for all that loguru can show."""

    def handler(self, directory: Path) -> dict[str, object]:
        return {**super().handler(directory), "diagnose": True, "backtrace": True}


def fail(token: str) -> None:
    raise RuntimeError(f"refused {KNOWN} of {len(token)} characters")


@pytest.mark.requirement("S17")
@pytest.mark.parametrize("cls", [FileLogger, GreedyLogger])
def test_logged_error_shows_no_secret(tmp_path: Path, cls: type[FileLogger]) -> None:
    attach([cls()], tmp_path)
    try:
        hide([KNOWN])
        try:
            fail(LOCAL)
        except RuntimeError:
            logger.exception("a plugin failed")
    finally:
        detach()
    log = "".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert "a plugin failed" in log
    assert LOCAL not in log
    assert KNOWN not in log
