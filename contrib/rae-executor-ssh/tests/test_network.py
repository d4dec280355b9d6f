"""Packets that vanish for a while, without a reset: the attempt is found again, and nothing starts twice.

`RAE_CUT_SECONDS=60 pytest tests/test_network.py -s` has them vanish for a minute, with the times that users have.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attempts import output, run_directory, starts, until
from network import HOST_ADDRESS, Network, describe_obstacle
from rae_executor_ssh import SshExecutor, host_link

from conftest import SshServer, find_sshd
from rae_auto.api import Execution, NeverStarted
from rae_auto.model.run import Result

CUT_SECONDS = float(os.environ.get("RAE_CUT_SECONDS", "0"))
LIMIT_SECONDS = 60.0 + 4 * CUT_SECONDS


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """Build the network; without root or namespaces these tests are skipped, and say why."""
    if (obstacle := describe_obstacle()) is not None:
        pytest.skip(obstacle)
    network = Network()
    yield network
    network.remove()


@pytest.fixture(scope="module")
def far_server(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """Return an sshd behind the router."""
    program = find_sshd()
    if program is None:
        pytest.skip("there is no sshd; run 'apt-get install openssh-server'")
    place = tmp_path_factory.mktemp("far")
    server = SshServer(program, place, address=HOST_ADDRESS, prefix=network.command_on_host())
    server.start()
    yield server
    network.mend()
    server.cut()
    server.stop()


@pytest.fixture
def _times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice a dead line soon, unless the campaign is to show how long that takes."""
    if not CUT_SECONDS:
        monkeypatch.setattr(host_link, "PING_SECONDS", 0.1)
        monkeypatch.setattr(host_link, "SILENCE_SECONDS", 1.0)
        monkeypatch.setattr(host_link, "CONNECT_SECONDS", 3.0)
        monkeypatch.setattr(host_link, "MAX_RETRY_SECONDS", 0.3)


@pytest.mark.usefixtures("_times")
def test_vanished_packets_double_nothing_and_hide_no_end(
    network: Network, far_server: SshServer, make_executor: Any, assign: Any
) -> None:
    async def scene() -> None:
        first: SshExecutor = make_executor(config=str(far_server.config))
        second: SshExecutor = make_executor(config=str(far_server.config))
        running, ending = (assign(f"echo begun; until [ -e go{n} ]; do sleep 0.05; done; exit {n}") for n in (7, 8))
        executions = [await first.start(attempt) for attempt in (running, ending)]
        await until(lambda: all("begun" in output(attempt) for attempt in (running, ending)))
        network.drop()
        dropped_at = time.monotonic()
        try:
            # It is sent into the void, and again over the next line: both may arrive.
            sent = assign("exit 9")
            executions.append(await first.start(sent))
            (Path(ending.job.cwd) / "go8").touch()
            await until((run_directory(first, ending) / "out.exit").exists)
            await until(lambda: executions[0].is_out_of_reach)
            noticed = time.monotonic() - dropped_at
            adopted = await second.find(running, executions[0].handle)
            assert isinstance(adopted, Execution)
            assert adopted.is_out_of_reach
            await asyncio.sleep(max(0.0, CUT_SECONDS - (time.monotonic() - dropped_at)))
            assert (starts(sent), executions[1].is_out_of_reach) == (0, True)
        finally:
            network.mend()
        mended_at = time.monotonic()
        await until(lambda: not adopted.is_out_of_reach)
        (Path(running.job.cwd) / "go7").touch()
        results = [await execution.wait() for execution in (*executions, adopted)]
        codes = [result.exit_code if isinstance(result, Result) else result for result in results]
        assert [codes[0], codes[1], codes[3]] == [7, 8, 7]
        assert [starts(attempt) for attempt in (running, ending)] == [1, 1]
        # Where both requests arrive at once, one may find the other's directory before there is a keeper.
        assert (codes[2], starts(sent)) in ((9, 1), (NeverStarted(), 0))
        print(f"noticed after {noticed:.1f} s; all ends known {time.monotonic() - mended_at:.1f} s after the mending")
        # What was under way when packets vanished may arrive later still, and starts nothing.
        before = starts(sent)
        await asyncio.sleep(1.0)
        assert starts(sent) == before
        await first.close()
        await second.close()

    async def limited() -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            await scene()

    asyncio.run(limited())
