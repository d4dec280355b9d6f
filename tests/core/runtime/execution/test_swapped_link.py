"""A file that is swapped for a link between its event and the run."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from rae_auto import Job, RunState, Scheduler, TriggerRef

PAGE = Path(__file__).resolve().parents[4] / "docs/reference/plugins/triggers/file.md"

pytestmark = [
    pytest.mark.requirement("S25"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the example reads /proc"),
]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A folder for files of others, beside a file that they must not get at; the module of the docs is there too."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "a").write_text("secret")
    found = re.search(r"^```python\n(# watched_file\.py\n.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    (tmp_path / "watched_file.py").write_text(
        f"{found[1]}\ndef read(path):\n    return open_watched(path).read().decode()\n"
    )
    return tmp_path / "in"


def swap_file(inbox: Path) -> None:
    (inbox / "sub" / "a").unlink()
    (inbox / "sub" / "a").symlink_to(inbox.parent / "private" / "a")


def swap_folder(inbox: Path) -> None:
    (inbox / "sub").rename(inbox.parent / "aside")
    (inbox / "sub").symlink_to(inbox.parent / "private")


@pytest.mark.parametrize("swap", [None, swap_file, swap_folder])
def test_job_of_the_page_refuses_a_link_in_place_of_its_file(tmp_path: Path, inbox: Path, swap) -> None:
    options = {"paths": [str(inbox)], "recursive": True, "batch": "each", "quiet": "10ms", "initial": True}
    job = Job(
        id="one",
        python="watched_file:read",
        args=["{path}"],
        isolated=True,
        directory=str(tmp_path),
        schedule=TriggerRef("file", options),
    )
    gate = Job(id="gate", command=["sleep", "600"])
    (inbox / "sub" / "a").write_text("from outside")

    async def work():
        scheduler = Scheduler(directory=tmp_path / "state", jobs=[gate], max_parallel=1)
        async with asyncio.timeout(60), scheduler:
            before = await scheduler.trigger("gate")
            await scheduler.add_job(job)
            while not (waiting := await scheduler.history("one")):  # noqa: ASYNC110 - the trigger changes it
                await asyncio.sleep(0.02)
            if swap is not None:
                swap(inbox)
            await scheduler.cancel(before)
            return await scheduler.wait(waiting[0].id)

    run = asyncio.run(work())
    if swap is None:
        assert (run.state, run.value) == (RunState.SUCCEEDED, "from outside")
    else:
        assert run.state is RunState.FAILED
        assert "has been replaced by a link to" in run.reason.text
        assert "secret" not in (run.reason.text or "")
