"""The explanation of one code."""

from enum import StrEnum

from attrs import frozen


class CodeSet(StrEnum):
    """The set that a code belongs to."""

    REASON = "reason"
    STATE = "state"
    ERROR = "error"
    PROBLEM = "problem"
    EXIT_CODE = "exit code"


PAGES = {
    CodeSet.REASON: "docs/reference/reasons.md",
    CodeSet.STATE: "docs/reference/states.md",
    CodeSet.ERROR: "docs/reference/errors.md",
    CodeSet.PROBLEM: "docs/reference/problems.md",
    CodeSet.EXIT_CODE: "docs/reference/exit-codes.md",
}
"""The page of each set, which is generated from its entries."""


@frozen
class CodeEntry:
    """A code, where it comes from (`cause`), and what to do (`hint`), as sentences for a person."""

    code: str
    set: CodeSet
    cause: str
    hint: str
    is_listed: bool = True
    """False for one that has no section of the page."""

    @property
    def anchor(self) -> str:
        """The anchor of the code on its page, in the repository and on the site: small letters, hyphens for blanks."""
        return self.code.lower().replace(" ", "-")

    @property
    def page(self) -> str:
        """The place in the documentation that explains the code: a page, and the anchor on it."""
        if not self.is_listed:
            return PAGES[self.set]
        return f"{PAGES[self.set]}#{self.anchor}"
