"""Panes of `rae-auto top` over real records."""

import asyncio
from pathlib import Path

from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.screens import load_job_list, open_records
from rae_plugins.commands.top.pane_requests import PANE_NAMES, PaneRequest
from rae_plugins.commands.top.panes import load_pane
from rae_plugins.commands.top.styled_lines import plain_text

JOBS = """
[jobs.bad]
shell = "exit 3"
"""


def test_panes_show_a_failed_run_its_life_and_the_health(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS, 'timezone = "UTC"\nstate = "{home}/state"\n')
    daemons.serve()
    run = daemons.ask("trigger", job="bad")["run_id"]
    eventually(lambda: daemons.ask("history", run=run)[0]["finished_at"] is not None)

    async def read() -> dict[str, str]:
        async with open_records(str(daemons.config)) as source:
            (row,) = (await load_job_list(source)).rows
            place = PaneRequest(row, 100, 30)
            panes = {name: await load_pane(name, source, place) for name in PANE_NAMES}
            return {name: "\n".join(map(plain_text, lines)) for name, lines in panes.items()}

    panes = asyncio.run(read())
    daemons.stop()
    assert "attempt 1: failed" in panes["run"]
    assert "exit code 3" in panes["run"]
    assert "store" in panes["health"]
    assert "failed" in panes["history"]
    assert all(panes.values())
