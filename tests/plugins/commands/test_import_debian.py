"""The crontabs and timers that packages of Debian 12 to 13 install, without their comments, as jobs.

`apt-get download PACKAGE` and `dpkg -x` give the whole files; each file of cron.d is named after its package.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rae_plugins.commands.importing.crontab_jobs import CrontabReader
from rae_plugins.commands.importing.imported import ImportedJob
from rae_plugins.commands.importing.proofs.comparison import prove_job
from rae_plugins.commands.importing.systemd_timers import TimerReader

FILES = Path(__file__).parent / "debian_files"
CRONTABS = sorted((FILES / "cron.d").iterdir())
TIMERS = sorted((FILES / "units").glob("*.timer"))
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_there_are_two_dozen_of_each() -> None:
    assert (len(CRONTABS), len(TIMERS)) == (24, 24)


@pytest.mark.parametrize("path", CRONTABS, ids=lambda path: path.name)
def test_every_line_of_a_package_becomes_a_job_with_its_times(path: Path) -> None:
    found = CrontabReader(own_user="nobody-here", is_root=False).read(path.read_text(), path.name, has_users=True)
    assert not found.left_out
    proofs = [proof for job in found.jobs for proof in prove_job(job, NOW)]
    assert [(proof.problem, proof.differences) for proof in proofs] == [(None, ())] * len(proofs)


@pytest.mark.parametrize("path", TIMERS, ids=lambda path: path.stem)
def test_every_timer_of_a_package_becomes_a_job_with_its_times(path: Path) -> None:
    job = TimerReader().read(path)
    assert isinstance(job, ImportedJob), job
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze calculates the start times of systemd")
    for proof in prove_job(job, NOW):
        assert (proof.problem, proof.differences) == (None, ())
