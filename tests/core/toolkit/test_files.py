"""Private directories: whose they may be."""

import os
from pathlib import Path

import pytest

from rae_auto.errors import StoreError
from rae_auto.toolkit.files import create_private_directory, find_other_writer

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


@pytest.mark.parametrize(
    ("user", "command"), [("its own", "chmod"), ("another", "sudo chmod"), ("third", "sudo chown")]
)
def test_hint_is_a_command_that_this_user_can_run(
    user: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o666)
    owner = (tmp_path / "file").stat().st_uid
    if user == "another" and owner != 0:
        pytest.skip("needs a file of root")
    if user == "third":
        if owner != 0:
            pytest.skip("needs root")
        os.chown(tmp_path / "file", OTHER_USER, OTHER_USER)
    me = owner if user == "its own" else 1000
    monkeypatch.setattr(os, "geteuid", lambda: me)
    found = find_other_writer(tmp_path / "file")
    assert found is not None
    arguments = "1000" if command == "sudo chown" else "go-w"
    assert found.endswith(f"; run '{command} {arguments} {tmp_path / 'file'}'")
