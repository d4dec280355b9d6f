"""Security descriptors as Windows writes them."""

import pytest
from tests.support.windows_stand_ins import OWN_SID

from rae_auto.platforms.windows.security_descriptor import (
    READ_DATA,
    REPLACE_IN_FOLDER,
    WRITE_FILE,
    SecurityDescriptor,
    private_descriptor,
)

OTHER = "S-1-5-21-1004336348-1177238915-682003330-1002"
PROFILE = f"O:{OWN_SID}G:{OWN_SID}D:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;FA;;;{OWN_SID})"
ROOT = (
    "O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464G:S-1-5-80-956008885-3418522649-1831038044-"
    "1853292631-2271478464D:PAI(A;;LC;;;AU)(A;OICIIO;SDGXGWGR;;;AU)(A;;FA;;;SY)(A;OICIIO;GA;;;SY)(A;OICIIO;GA;;;BA)"
    "(A;;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
)
IN_ROOT = f"O:{OWN_SID}G:{OWN_SID}D:AI(A;ID;0x1301bf;;;AU)(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;0x1200a9;;;BU)"


@pytest.mark.parametrize(
    ("text", "rights", "others"),
    [
        (PROFILE, READ_DATA, ()),
        (PROFILE, WRITE_FILE, ()),
        (ROOT, REPLACE_IN_FOLDER, ()),
        (ROOT, READ_DATA, ("BU",)),
        (IN_ROOT, WRITE_FILE, ("AU",)),
        (IN_ROOT, READ_DATA, ("AU", "BU")),
        (f"O:{OWN_SID}G:BUD:(A;;0x2;;;{OTHER})", WRITE_FILE, (OTHER,)),
        (f"O:{OWN_SID}G:BUD:(A;;0x2;;;{OTHER})", READ_DATA, ()),
        (f"O:{OWN_SID}G:BUD:(A;;0x40000000;;;WD)", WRITE_FILE, ("WD",)),
        (f"O:{OWN_SID}G:BUD:(A;;GRGX;;;WD)", WRITE_FILE, ()),
        (f"O:{OWN_SID}G:BUD:(D;;FA;;;WD)(A;;FR;;;AN)", READ_DATA, ("AN",)),
        (f"O:{OWN_SID}G:BUD:(XA;;FR;;;AU;(WIN://SYSAPPID Contains \"x\"))", READ_DATA, ("AU",)),
        (f"O:{OWN_SID}G:BUD:(A;;ZZ;;;WD)", WRITE_FILE, ("WD",)),
        (f"O:{OWN_SID}G:BU", WRITE_FILE, ("WD",)),
        (f"O:{OWN_SID}G:BUD:NO_ACCESS_CONTROL", READ_DATA, ("WD",)),
        (f"O:{OWN_SID}G:BUD:P", WRITE_FILE, ()),
        (f"O:{OWN_SID}G:BUD:(A;;FA;;;WD)S:(ML;;NW;;;LW)", WRITE_FILE, ("WD",)),
    ],
)  # fmt: skip
def test_others_with_a_right_are_found(text, rights, others):
    assert SecurityDescriptor.parse(text).others(rights, OWN_SID) == others


def test_administrator_of_the_machine_may_be_oneself():
    descriptor = SecurityDescriptor.parse("O:LAG:BUD:(A;;FA;;;LA)")
    assert descriptor.others(WRITE_FILE, "S-1-5-21-1-2-3-500") == ()
    assert descriptor.others(WRITE_FILE, OWN_SID) == ("LA",)


def test_private_descriptor_is_private_to_children_too():
    descriptor = SecurityDescriptor.parse(f"O:{OWN_SID}G:BU{private_descriptor(OWN_SID)}")
    assert descriptor.others(READ_DATA | WRITE_FILE, OWN_SID) == ()
    assert not any(entry.is_for_children_only for entry in descriptor.entries)


@pytest.mark.parametrize("text", ["rubbish", "(A;;FA;;;WD)", "X:y"])
def test_text_that_is_no_descriptor_is_refused(text):
    with pytest.raises(ValueError, match="not a security descriptor"):
        SecurityDescriptor.parse(text)
