"""The contract of files on this platform: rights, replacement, locks."""

import os
import threading
from pathlib import Path

import pytest
from tests.support.platforms import IS_WINDOWS

from rae_auto.platforms.file_operations import file_operations
from rae_auto.platforms.file_rights import file_rights
from rae_auto.toolkit.files import create_private_directory, open_private, write_atomically


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return create_private_directory(tmp_path / "state")


def test_state_directory_and_its_files_are_private(state):
    write_atomically(state / "file", b"content")
    os.close(open_private(state / "other", os.O_RDWR | os.O_CREAT))
    rights = file_rights()
    for path in (state, state / "file", state / "other"):
        assert rights.find_other_reader(path) is None
        assert rights.find_public_writer(path) is None
        assert rights.is_own(path)
    assert rights.find_folder_writer(state) is None
    assert rights.find_owner_problem(state) is None
    assert rights.find_hidden_owner(state) is None


@pytest.mark.skipif(IS_WINDOWS, reason="by mode; there it is 'icacls /grant'")
def test_file_that_everyone_can_write_is_found(state):
    (state / "file").touch()
    (state / "file").chmod(0o666)
    rights = file_rights()
    assert rights.find_public_writer(state / "file") is not None
    assert rights.find_other_writer(state / "file") is not None
    rights.make_private(state / "file")
    assert rights.find_other_writer(state / "file") is None


def test_replaced_file_has_the_new_content(state):
    (state / "old").write_text("old")
    (state / "new").write_text("new")
    file_operations().replace(state / "new", state / "old")
    assert ((state / "old").read_text(), (state / "new").exists()) == ("new", False)
    with pytest.raises(FileNotFoundError):
        file_operations().replace(state / "new", state / "old")


def test_file_that_is_read_meanwhile_is_replaced(state):
    (state / "file").write_text("old")
    is_open = threading.Event()

    def read() -> None:
        with (state / "file").open() as file:
            is_open.set()
            threading.Event().wait(0.2)
            file.read()

    reading = threading.Thread(target=read)
    reading.start()
    is_open.wait(30)
    write_atomically(state / "file", b"new")
    reading.join()
    assert (state / "file").read_bytes() == b"new"


def test_content_is_that_of_the_bytes_written(state):
    content = b"\x1a\r\n\n\x00" * 100
    with open(open_private(state / "file", os.O_RDWR | os.O_CREAT), "wb") as file:
        assert file_operations().write_at(file.fileno(), content, 0) == len(content)
        assert file_operations().read_at(file.fileno(), 4, 1) == content[1:5]
    assert (state / "file").read_bytes() == content


def test_locked_file_is_refused_and_can_be_read(state):
    path = state / "lock"
    path.write_text("123")
    with path.open("rb+") as one, path.open("rb+") as other:
        file_operations().lock(one.fileno())
        with pytest.raises(OSError):
            file_operations().lock(other.fileno())
        other.seek(0)
        assert other.read(3) == b"123"


def test_names_in_a_folder_are_made_durable(state):
    file_operations().sync_directory(state)
