"""Small distributions, written by the tests and installed into a directory of their own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from rae_auto.registry import Registry
from rae_auto.registry.index import installed

NOTIFIER = '''
from attrs import frozen
from rae_auto.api import Notice, Notifier
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen
class Pager(Notifier):
    """Calls a pager."""

    type = "NAME"

    async def notify(self, notice: Notice) -> None:
        pass


@hookimpl
def rae_notifiers():
    return [Pager]
'''


@frozen
class Site:
    """A directory from which distributions are found, here and in processes started from here."""

    path: Path

    def lay_out(self, name: str, source: str = NOTIFIER, distribution: str = "", group: str = "notifiers") -> str:
        """Install by hand what pip would: a module and its .dist-info. Returns the module's name."""
        distribution = distribution or f"rae_notifier_{name}"
        info = self.path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[rae_auto.{group}]\n{name} = {distribution}\n")
        (self.path / f"{distribution}.py").write_text(source.replace("NAME", name))
        return distribution

    def pip_install(self, project: Path) -> None:
        """Build the project and install it, without any network."""
        flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(self.path)]
        done = subprocess.run([sys.executable, "-m", "pip", "install", *flags, project], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def registry(self) -> Registry:
        """A registry of what is installed by now."""
        installed.cache_clear()
        return Registry()

    def rae_auto(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, in a process that sees these distributions."""
        return subprocess.run([sys.executable, "-m", "rae_auto", *arguments], capture_output=True, text=True)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    monkeypatch.setenv("PYTHONPATH", str(path))
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    before = set(sys.modules)
    yield Site(path)
    installed.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith(("rae_notifier_", "rae_command_")):
            del sys.modules[name]
