"""A daemon that loses its claim to another one starts again, unless it was asked to stop."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOSE = """
import sys
from pathlib import Path
from rae_auto.daemon import daemon
from rae_auto.errors import ClaimLost

async def lose(self):
    if {is_asked_to_stop}:
        # As by a signal; the scheduler has been closed already.
        await self._stop(None, leave_running=False)
    raise ClaimLost("laptop leads")

daemon.Daemon.run = lose
daemon.start_again = lambda *_: print("again")
sys.exit(daemon.run(Path(sys.argv[1]), paused=False))
"""


@pytest.mark.parametrize(
    ("is_asked_to_stop", "end", "printed"),
    [(False, "it starts again, and stands by", "again\n"), (True, "it stops, as it was asked to", "")],
)
def test_daemon_that_lost_its_claim_and_is_to_stop_stops(
    tmp_path: Path, is_asked_to_stop: bool, end: str, printed: str
) -> None:
    config = tmp_path / "rae.toml"
    config.write_text('loggers = ["console"]\n')
    config.chmod(0o600)
    program = LOSE.format(is_asked_to_stop=is_asked_to_stop)
    done = subprocess.run(
        [sys.executable, "-c", program, str(config)],
        env={**os.environ, "RAE_STATE_DIR": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"laptop leads; {end}" in done.stderr
    assert (done.returncode, done.stdout) == (0, printed)
