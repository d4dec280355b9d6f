"""Programs that tests need on the machine: installed where they may, else each is skipped with its reason."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import packages
from tests.support.packages import need

APT = """#!/bin/sh
echo "$DEBIAN_FRONTEND $*" >> {log}
case "$*" in
    *missing*) echo "E: Unable to locate package missing" >&2; exit 100 ;;
    *--no-download*) : > {bin}/prog; chmod +x {bin}/prog ;;
esac
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """A machine of root's with nothing but an apt-get; what that was asked for."""
    log, place = tmp_path / "log", tmp_path / "bin"
    place.mkdir()
    log.touch()
    (place / "apt-get").write_text(APT.format(log=log, bin=place))
    (place / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/bin")
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    forget()
    yield lambda: log.read_text().splitlines()
    # Or this machine's own lists would be taken for read.
    forget()


def forget() -> None:
    for function in (packages._install, packages._update):
        function.cache_clear()


def why_skipped(named: dict[str, str]) -> str:
    with pytest.raises(pytest.skip.Exception) as skipped:
        need(named)
    return str(skipped.value)


def test_need_installs_what_is_missing_without_questions(apt: Callable[[], list[str]]) -> None:
    need({"apt-get": "apt", "prog": "a-package"})
    update, download, install = apt()
    assert update.split()[0] == "noninteractive"
    assert update.endswith(" update")
    assert "a-package --download-only" in download
    assert "a-package --no-download" in install
    need({"prog": "a-package"})
    assert len(apt()) == 3


def test_what_can_not_be_installed_skips_and_is_tried_once(apt: Callable[[], list[str]]) -> None:
    for _ in range(2):
        assert why_skipped({"no-prog": "missing"}) == "needs missing: E: Unable to locate package missing"
    assert len(apt()) == 2
    assert why_skipped({"no-prog": "a-package"}) == "needs no-prog, and a-package didn't bring it"


@pytest.mark.parametrize("lack", ["CI", "root", "apt-get"])
def test_on_somebodys_own_machine_nothing_is_installed(
    apt: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, lack: str
) -> None:
    if lack == "CI":
        monkeypatch.delenv("CI")
    elif lack == "root":
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    else:
        monkeypatch.setenv("PATH", "/nowhere")
    assert why_skipped({"prog": "a-package"}).startswith("needs a-package: not there, and ")
    assert apt() == []
