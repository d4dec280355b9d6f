"""File rights by access control lists, with a stand-in for the calls of Windows."""

from pathlib import Path

import pytest
from tests.support.windows_stand_ins import OWN_SID, FakeSecurity

from rae_auto.config.toml import reading
from rae_auto.platforms.windows.rights import WindowsRights
from rae_auto.toolkit import files
from rae_auto.toolkit.files import create_private_directory

OTHER = "S-1-5-21-1004336348-1177238915-682003330-1002"
READABLE = f"O:{OWN_SID}G:BUD:(A;;FA;;;{OWN_SID})(A;;FR;;;BU)"
WRITABLE = f"O:{OWN_SID}G:BUD:(A;;FA;;;{OWN_SID})(A;;0x1301bf;;;AU)"
OF_ANOTHER = f"O:{OTHER}G:BUD:(A;;FA;;;{OTHER})"


@pytest.fixture
def security() -> FakeSecurity:
    return FakeSecurity()


@pytest.fixture
def rights(security: FakeSecurity) -> WindowsRights:
    return WindowsRights(security)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "rae.toml").touch()
    return tmp_path / "rae.toml"


def repair(path: Path, access: str = "F") -> str:
    return f"""run 'icacls "{path}" /inheritance:r /grant:r "*{OWN_SID}:{access}"'"""


def test_private_file_has_no_findings(rights, file):
    assert rights.find_other_reader(file) is None
    assert rights.find_other_writer(file) is None
    assert rights.find_public_writer(file) is None
    assert rights.find_folder_writer(file.parent) is None
    assert rights.find_owner_problem(file.parent) is None
    assert rights.find_hidden_owner(file.parent) is None
    assert rights.is_own(file)


def test_file_that_others_read_or_write_is_reported(rights, security, file):
    security.descriptors[str(file)] = READABLE
    assert rights.find_other_reader(file) == f"other users can read; {repair(file)}"
    assert rights.find_other_writer(file) is None
    security.descriptors[str(file)] = WRITABLE
    assert rights.find_other_writer(file) == f"is writable by everyone; {repair(file)}"
    assert rights.find_public_writer(file) == f"can be written by everyone; {repair(file)}"
    assert not rights.is_own(file)
    security.descriptors[str(file)] = f"O:{OWN_SID}G:BUD:(A;;FW;;;{OTHER})"
    assert rights.find_other_writer(file) == f"is writable by {OTHER}; {repair(file)}"
    assert rights.find_public_writer(file) is None
    security.descriptors[str(file)] = OF_ANOTHER
    assert rights.find_other_writer(file) == f"is owned by another user ({OTHER}); {repair(file)}"


def test_folder_in_which_a_file_can_be_replaced_is_reported(rights, security, file):
    folder = file.parent.resolve()
    security.descriptors[str(folder)] = f"O:{OWN_SID}G:BUD:(A;;DT;;;AU)"
    security.descriptors[str(file)] = security.default
    risk = f"is writable by everyone; {repair(folder, '(OI)(CI)F')}, or move the file"
    assert rights.find_other_writer(file) == f"its directory {folder} {risk}"


def test_folder_to_which_others_can_only_add_is_no_risk(rights, security, file):
    security.descriptors[str(file.parent)] = f"O:{OWN_SID}G:BUD:(A;;0x6;;;AU)"
    security.descriptors[str(file)] = security.default
    assert rights.find_other_writer(file) is None
    assert str(rights.find_folder_writer(file.parent)).startswith("others can write to it (AU); run 'icacls")


def test_folder_that_becomes_private_passes_it_on(rights, security, file):
    security.descriptors[str(file.parent)] = READABLE
    assert rights.find_other_reader(file) is not None
    rights.make_private(file.parent)
    assert rights.find_other_reader(file) is None


def test_state_directory_becomes_private_and_that_of_others_is_refused(rights, security, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "file_rights", lambda: rights)
    security.descriptors[str(tmp_path)] = READABLE
    state = create_private_directory(tmp_path / "state")
    assert rights.find_other_reader(state) is None
    security.descriptors[str(state)] = OF_ANOTHER
    with pytest.raises(files.StoreError, match="owned by another user"):
        create_private_directory(state)


def test_configuration_that_others_can_write_is_refused(rights, security, file, monkeypatch):
    monkeypatch.setattr(reading, "file_rights", lambda: rights)
    security.descriptors[str(file)] = WRITABLE
    with pytest.raises(reading.ConfigError) as refusal:
        reading.read_text(file)
    assert str(refusal.value) == f"{file}: is writable by everyone; {repair(file)}"


def test_descriptor_that_can_not_be_read_is_an_error(rights, security, file):
    security.descriptors[str(file)] = "rubbish"
    with pytest.raises(OSError, match="not a security descriptor"):
        rights.find_other_writer(file)
