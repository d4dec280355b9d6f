"""A trial with real workers: whatever the file does is named, and the next save is shown."""

import asyncio
import os
from contextlib import suppress

import psutil
import pytest
from tests.support.planted_plugins import good_source
from tests.support.waiting import until

from rae_auto.offline.trial.messages import Key, TrialRequest
from rae_auto.offline.trial.session import TrialSession, describe_end

LOOP = good_source("source").replace("while True:", "while True: continue\n        while True:")
NEW_LINE = "\n"
LOOP_AT_IMPORT = f"{good_source('guard')}\nwhile True: pass\n"
CRASH = good_source("source").replace("while True:", "import os; print('last words'); os._exit(3)\n        while True:")


class SessionAtWork:
    """A session, and what it shows of a file."""

    def __init__(self, file, session):
        self._file = file
        self._session = session

    @property
    def lines(self):
        return [f"{one.title}: {line}" for one in self._session.view.sections for line in one.lines]

    async def save(self, source, shown):
        """Replace the file, as editors do, and wait until a line has this text."""
        draft = self._file.with_suffix(".new")
        draft.write_text(source)
        draft.rename(self._file)
        await self.wait_for(shown)

    async def wait_for(self, shown):
        await until(lambda: any(shown in line for line in self.lines))


def watch(file, work, **request):
    """Watch a trial of the file while a coroutine function of its session is at work."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

    async def run():
        async with TrialSession(TrialRequest(target=str(file), **request), lambda _: None) as session:
            await work(SessionAtWork(file, session), session)

    asyncio.run(run())


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / "plugins"
    folder.mkdir()
    path = folder / "tried.py"
    path.write_text(good_source("guard"))
    return path


def test_session_survives_what_the_file_does_and_leaves_nothing(file, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    async def work(trial, session):
        await trial.wait_for("now: yes (always)")
        assert session.view.shown_after is None
        await trial.save("def x(:\n", f"problem: {file}:1: invalid syntax")
        assert session.view.has_failed
        await trial.save(LOOP, f"hangs: {file}:35 (watch): nothing else has had its turn")
        assert any("guard" in line or "trigger good" in line for line in trial.lines), "what came before stays"
        await trial.save(LOOP_AT_IMPORT, f"(it was at {file}:{LOOP_AT_IMPORT.count(NEW_LINE)}); end its loop [import]")
        await trial.save(CRASH, "ended: ")
        assert f"ended: {file}:35 (watch): the plugin has ended its process with exit code 3" in " ".join(trial.lines)
        assert "prints: last words" in trial.lines
        await trial.save(good_source("guard"), "now: yes (always)")
        assert not session.view.has_failed

    watch(file, work)
    assert [path.name for path in file.parent.iterdir()] == ["tried.py"], "no bytecode beside the file"
    assert list(tmp_path.glob("rae-auto-try-*")) == []
    assert [child for child in psutil.Process().children(recursive=True) if "trial" in words_of(child)] == []


def words_of(process: psutil.Process) -> str:
    """Return the words of a process, none of one that has ended."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def test_warm_worker_imports_nothing_but_the_plugin(file):
    async def work(trial, session):
        await trial.wait_for("now: yes (always)")
        assert session.view.frame.imported == ()
        await trial.save(good_source("schedule"), "purity: ")
        assert session.view.frame.imported == ()
        assert session.view.shown_after is not None

    watch(file, work)


def test_clock_goes_on_from_where_it_was_after_a_save(file):
    async def work(trial, session):
        await trial.wait_for("now: yes (always)")
        before = session.view.frame.clock
        session.press(Key.MOVE, 86_400.0)
        await until(lambda: (session.view.frame.clock - before).total_seconds() >= 86_400)
        await trial.save(good_source("guard").replace('"always"', '"ever"'), "now: yes (ever)")
        assert (session.view.frame.clock - before).total_seconds() >= 86_400

    watch(file, work, is_running=False)


def test_end_by_a_signal_is_named():
    assert describe_end(-11, "x.py:3 (read)") == (
        "x.py:3 (read): the plugin has ended its process by SIGSEGV; let it return or raise instead"
    )
