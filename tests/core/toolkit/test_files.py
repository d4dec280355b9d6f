"""Private directories: whose they may be."""

import os
from pathlib import Path

import pytest

from rae_auto.errors import StoreError
from rae_auto.toolkit.files import create_private_directory

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs owners")

OTHER_USER = 65534


@pytest.mark.requirement("S4", "S24")
def test_private_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_private_directory(tmp_path / "state")
    monkeypatch.setattr(os, "geteuid", lambda: OTHER_USER)
    with pytest.raises(StoreError, match="is owned by another user"):
        create_private_directory(tmp_path / "state")


@pytest.mark.requirement("S24")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("is_mine", [True, False])
def test_root_refuses_a_directory_below_that_of_another_user(tmp_path: Path, is_mine: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    create_private_directory(home / "state")
    if is_mine:
        home.chmod(0o777)
    else:
        os.chown(home, OTHER_USER, OTHER_USER)
    with pytest.raises(StoreError, match="can be changed by another user"):
        create_private_directory(home / "state")


@pytest.mark.requirement("S24")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_root_accepts_a_directory_below_a_sticky_one(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    assert create_private_directory(tmp_path / "tmp" / "state").is_dir()
