"""Security descriptors of Windows in their text form: an owner, and the list of who may do what.

The form is the Security Descriptor Definition Language ([MS-DTYP] section 2.5.1): `O:S-1-5-21-…D:PAI(A;OICI;FA;;;SY)`.
Of the list only entries that allow something count: one that denies makes a judgement at worst too strict.
"""

import re
from collections.abc import Iterator

from attrs import frozen

READ_DATA = 0x1
WRITE_DATA = 0x2
APPEND_DATA = 0x4
DELETE_CHILD = 0x40
DELETE = 0x10000
WRITE_DAC = 0x40000
WRITE_OWNER = 0x80000

WRITE_FILE = WRITE_DATA | APPEND_DATA | DELETE | WRITE_DAC | WRITE_OWNER
"""Rights over a file, each of which suffices to change or replace its content."""

REPLACE_IN_FOLDER = DELETE_CHILD | DELETE | WRITE_DAC | WRITE_OWNER
"""Rights over a folder, each of which suffices to replace a file in it; to add others to it does not."""

_FILE_ALL, _FILE_READ, _FILE_WRITE, _FILE_EXECUTE = 0x1F01FF, 0x120089, 0x120116, 0x1200A0
_RIGHTS = {
    "GA": _FILE_ALL, "GR": _FILE_READ, "GW": _FILE_WRITE, "GX": _FILE_EXECUTE,
    "FA": _FILE_ALL, "FR": _FILE_READ, "FW": _FILE_WRITE, "FX": _FILE_EXECUTE,
    "RC": 0x20000, "SD": DELETE, "WD": WRITE_DAC, "WO": WRITE_OWNER,
    "CC": 0x1, "DC": 0x2, "LC": 0x4, "SW": 0x8, "RP": 0x10, "WP": 0x20, "DT": DELETE_CHILD, "LO": 0x80, "CR": 0x100,
}  # fmt: skip
_GENERIC_BITS = {0x10000000: _FILE_ALL, 0x80000000: _FILE_READ, 0x40000000: _FILE_WRITE, 0x20000000: _FILE_EXECUTE}
_EVERYTHING = "NO_ACCESS_CONTROL"
_ALLOWING = ("A", "XA", "OA", "ZA")

EVERYONE = ("WD", "S-1-1-0", "AU", "S-1-5-11", "BU", "S-1-5-32-545", "AN", "S-1-5-7", "IU", "S-1-5-4", "BG")
"""Everyone, authenticated users, users, anonymous, interactive users, guests: names and numbers."""

MACHINE = (
    "SY", "S-1-5-18", "BA", "S-1-5-32-544", "OW", "S-1-3-4",
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
)  # fmt: skip
"""The system, administrators, the owner's own rights, and the service that installs Windows: root, in other words."""


@frozen
class AccessEntry:
    """A right of one user or group; `account` is an abbreviation or a SID."""

    account: str
    rights: int
    is_for_children_only: bool


@frozen
class SecurityDescriptor:
    """An owner and a list of rights; the list is None if nothing is refused to anyone."""

    owner: str
    entries: tuple[AccessEntry, ...] | None

    @classmethod
    def parse(cls, text: str) -> "SecurityDescriptor":
        """Read the text form. Errors: ValueError."""
        found = re.fullmatch(r"(?:O:([^:]*?))?(?:G:[^:]*?)?(?:D:(.*?))?(?:S:.*)?", text, re.DOTALL)
        if found is None:
            raise ValueError(f"this is not a security descriptor: {text[:200]}")
        owner, dacl = found[1] or "", found[2]
        if dacl is None or _EVERYTHING in dacl.partition("(")[0]:
            return cls(owner, None)
        return cls(owner, tuple(_parse_entries(dacl)))

    def others(self, rights: int, own: str) -> tuple[str, ...]:
        """Return who has at least one of these rights besides the user with the SID `own`, and the machine itself."""
        if self.entries is None:
            return ("WD",)
        granted = (entry.account for entry in self.entries if not entry.is_for_children_only and entry.rights & rights)
        return tuple(dict.fromkeys(account for account in granted if not is_self(account, own)))


def is_self(account: str, own: str) -> bool:
    """Return whether an account is the user with the SID `own`, or the machine itself."""
    # The text form abbreviates the account of the administrator that comes with Windows.
    return account in (own, *MACHINE) or (account == "LA" and own.endswith("-500"))


def private_descriptor(own: str) -> str:
    """Return the list of a folder for one user, inherited by what is in it; and for the machine, as root on POSIX."""
    accounts = (own, "SY", "BA")
    return "D:P" + "".join(f"(A;OICI;FA;;;{account})" for account in accounts)


def _parse_entries(dacl: str) -> Iterator[AccessEntry]:
    # A condition of an entry may hold parentheses of its own: it is behind the account, and not read.
    for text in re.findall(r"\(([^()]*)", dacl):
        fields = text.split(";")
        if len(fields) < 6:
            continue
        kind, flags, rights, account = fields[0], fields[1], fields[2], fields[5]
        if kind in _ALLOWING:
            yield AccessEntry(account, _parse_rights(rights), "IO" in re.findall("..", flags))


def _parse_rights(text: str) -> int:
    """Return the rights as a mask: a number, or pairs of letters. Unknown letters count as every right."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]+|\d+", text):
        rights = int(text, 0 if not text.startswith("0") or text[1:2] in "xX" else 8)
        return rights | sum(meaning for bit, meaning in _GENERIC_BITS.items() if rights & bit and not rights & meaning)
    mask = 0
    for pair in re.findall("..?", text):
        mask |= _RIGHTS.get(pair, _FILE_ALL)
    return mask
