"""Saves that are noticed: files that are written, replaced, and deleted."""

import asyncio

from tests.support.waiting import until

from rae_auto.offline.trial.saves import SaveWatch


def test_every_way_to_save_is_noticed_once(tmp_path):
    file = tmp_path / "tried.py"
    file.write_text("0")
    saves = []

    async def save(change):
        before = len(saves)
        change()
        await until(lambda: len(saves) > before)

    async def run():
        watch = SaveWatch(lambda: saves.append(file.read_text() if file.exists() else None))
        watch.add([file])
        (tmp_path / "draft").write_text("22")
        await save(lambda: file.write_text("1"))
        await save(lambda: (tmp_path / "draft").rename(file))
        await save(file.unlink)
        await save(lambda: file.write_text("333"))
        (tmp_path / "other.py").write_text("4")
        file.touch()
        await save(lambda: file.write_text("55555"))
        watch.close()

    asyncio.run(run())
    assert list(dict.fromkeys(saves)) == ["1", "22", None, "333", "55555"]
